package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// T18: everything that a message carries survives a batch, a batch of one too, and arrives in
// exactly the queue that was asked for.
func TestBatchKeepsQueueKeysTagAndProperties(t *testing.T) {
	t.Parallel()
	const queues, batches = 4, 5
	topic, p := testTopic(t, queues), testProducer(t)
	began := time.Now().Add(-time.Minute)
	message := func(queue, n int) Message {
		return Message{
			Topic: topic, Queue: queue, Key: fmt.Sprintf("key-%d", n),
			ShardingKey: fmt.Sprintf("order-%d", n), Tag: "settle",
			Body: fmt.Append(nil, n), Properties: map[string]string{
				"traceparent": fmt.Sprintf("00-%d", n), "other": "ü",
			},
		}
	}

	offsets := map[int]int64{} // as the producer was told, by the number of the message
	for n, size := 0, 1; n < batches; n, size = n+1, 3 {
		for queue := range queues {
			var batch []Message
			for i := range size {
				batch = append(batch, message(queue, queue*1000+n*10+i))
			}
			first := send(t, p, topic, queue, queues, batch)
			for i := range size {
				offsets[queue*1000+n*10+i] = first + int64(i)
			}
		}
	}

	var r record
	startConsumer(t, topic, testGroup(), 16, r.handle)
	eventually(t, received, r.atLeast(queues*(1+3*(batches-1))))

	for _, batch := range r.batches {
		for _, d := range batch {
			var n int
			if _, err := fmt.Sscan(string(d.Body), &n); err != nil {
				t.Fatal(err)
			}

			want := message(n/1000, n)
			if d.Topic != topic || d.Queue != want.Queue || d.Key != want.Key ||
				d.ShardingKey != want.ShardingKey ||
				d.Tag != want.Tag || !maps.Equal(d.Properties, want.Properties) {
				t.Errorf("received %+v\nwant %+v", d, want)
			}
			if d.Offset != offsets[n] {
				t.Errorf("message %s is at offset %d, its producer was told %d", d.Body, d.Offset, offsets[n])
			}
			if d.MessageID == "" || d.StoredAt.Before(began) ||
				d.StoredAt.After(time.Now().Add(time.Minute)) {
				t.Errorf("message %s has id %q and was stored at %s", d.Body, d.MessageID, d.StoredAt)
			}
		}
	}
}

// T46: the sharding key is stored under the library's name and under that of RocketMQ's other
// clients, in a batch of one and of more. A message without a key has neither.
func TestTheShardingKeyHasBothNames(t *testing.T) {
	t.Parallel()
	topic, p := testTopic(t, 1), testProducer(t)
	message := func(key string) Message {
		return Message{
			Topic: topic, Key: "k", ShardingKey: key, Body: []byte("b"),
		}
	}
	send(t, p, topic, 0, 1, []Message{message("order-1")})
	send(t, p, topic, 0, 1, []Message{message("order-2"), message("order-3"), message("")})
	awaitEnd(t, testAdmin(t), onlyQueue(t, testAdmin(t), topic), 4)

	r, err := OpenQueueReader(t.Context(),
		QueueReaderConfig{Namesrv: testNamesrv(t), Group: testGroup(), Topic: topic, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })

	queue := &primitive.MessageQueue{Topic: topic, BrokerName: r.queue.Broker, QueueId: 0}
	var keys []string
	for offset := int64(0); offset < 4; {
		result, err := r.client.PullFrom(t.Context(), queue, offset, readMax)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range result.GetMessageExts() {
			keys = append(keys, m.GetProperty("SHARDING_KEY")+"="+m.GetProperty("__SHARDINGKEY"))
			if d := newDelivery(m, "b", 0); len(d.Properties) != 0 {
				t.Errorf("properties of its own: %v, want none", d.Properties)
			}
		}
		offset = result.NextBeginOffset
	}

	if want := "order-1=order-1 order-2=order-2 order-3=order-3 ="; strings.Join(keys, " ") != want {
		t.Errorf("sharding keys %v, want %s", keys, want)
	}
}

func TestSendBatchRefuses(t *testing.T) {
	t.Parallel()
	topic, p := testTopic(t, 4), testProducer(t)
	good := Message{Topic: topic, Queue: 1, Key: "k", Body: []byte("b")}
	with := func(change func(*Message)) []Message {
		m := good
		change(&m)
		return []Message{good, m}
	}

	many := make([]Message, BatchMax+1)
	for i := range many {
		many[i] = good
	}
	big := with(func(m *Message) { m.Body = make([]byte, BatchMaxBytes) })

	for name, test := range map[string]struct {
		topic         string
		queue, queues int
		msgs          []Message
		want          string
	}{
		"missing topic":      {"test-no-such-topic", 1, 4, []Message{good}, "does not exist"},
		"too few queues":     {topic, 1, 8, []Message{good}, "4 writable queues, configured are 8"},
		"too many queues":    {topic, 1, 2, []Message{good}, "4 writable queues, configured are 2"},
		"negative queue":     {topic, -1, 4, []Message{good}, "queue must be"},
		"queue out of range": {topic, 4, 4, []Message{good}, "queue must be"},
		"nothing":            {topic, 1, 4, nil, "batch of 0"},
		"too many messages":  {topic, 1, 4, many, "batch of 129"},
		"too many bytes":     {topic, 1, 4, big, "the limit is"},
		"another queue":      {topic, 1, 4, with(func(m *Message) { m.Queue = 2 }), "queue 2"},
		"another topic":      {topic, 1, 4, with(func(m *Message) { m.Topic = "x" }), `topic "x"`},
		"no body":            {topic, 1, 4, with(func(m *Message) { m.Body = nil }), "no body"},
		"reserved property": {
			topic, 1, 4, with(func(m *Message) { m.Properties = map[string]string{"DELAY": "3"} }), "DELAY",
		},
		"separator": {topic, 1, 4, with(func(m *Message) { m.Key = "a\x01b" }), "0x01"},
		"large properties": {topic, 1, 4, with(func(m *Message) {
			m.Properties = map[string]string{"p": strings.Repeat("x", 40_000)}
		}), "the limit is 32767"},
	} {
		_, err := p.SendBatch(t.Context(), test.topic, test.queue, test.queues, test.msgs)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
		if errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%s: outcome unknown, but nothing was sent: %v", name, err)
		}
	}

	lags, err := testAdmin(t).Lag(t.Context(), topic, "g")
	if err != nil {
		t.Fatal(err)
	}
	for _, lag := range lags {
		if lag.Max != 0 {
			t.Errorf("queue %d has %d messages, but all were refused", lag.Queue, lag.Max)
		}
	}
}

// T17: a change of the queue count is noticed, and the right count works again without a restart.
func TestSendBatchNoticesAnotherQueueCount(t *testing.T) {
	t.Parallel()
	topic, p := testTopic(t, 2), testProducer(t)
	publish(t, p, topic, 0, 2, 0, 1)
	if err := testAdmin(t).CreateTopic(t.Context(), topic, 4); err != nil {
		t.Fatal(err)
	}

	msgs := []Message{{Topic: topic, Queue: 0, Body: []byte("b")}}
	eventually(t, routeTTL+2*time.Second, func() error {
		_, err := p.SendBatch(t.Context(), topic, 0, 2, msgs)
		if err == nil {
			return errors.New("still sends to a topic whose queue count changed")
		}
		if !strings.Contains(err.Error(), "4 writable queues, configured are 2") {
			return err
		}
		return nil
	})

	send(t, p, topic, 0, 4, msgs)
}

func TestSendBatchFromManyGoroutines(t *testing.T) {
	t.Parallel()
	const queues, batches = 8, 20
	topic, p := testTopic(t, queues), testProducer(t)

	var wg sync.WaitGroup
	for queue := range queues {
		wg.Go(func() {
			for n := range batches {
				var batch []Message
				for i := range 32 {
					batch = append(batch, Message{Topic: topic, Queue: queue, Body: fmt.Append(nil, n*32+i)})
				}
				send(t, p, topic, queue, queues, batch)
			}
		})
	}
	wg.Wait()

	var r record
	startConsumer(t, topic, testGroup(), 128, r.handle)
	eventually(t, received, r.atLeast(queues*batches*32))
	for queue := range queues {
		wantBodies(t, r.bodies(queue), numbers(0, batches*32))
	}
}

func TestSendBatchAfterClose(t *testing.T) {
	t.Parallel()
	topic, p := testTopic(t, 1), testProducer(t)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := p.SendBatch(t.Context(), topic, 0, 1, []Message{{Topic: topic, Body: []byte("b")}})
	if err == nil || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("send after close: %v, want a refusal", err)
	}
}

// T42: only SendOK is a success. T12: an error says whether the messages may be stored.
func TestOutcome(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	broken := &net.OpError{Op: "write", Err: errors.New("broken pipe")}

	for name, test := range map[string]struct {
		result  *primitive.SendResult
		err     error
		stored  bool
		unknown bool
	}{
		"stored":          {&primitive.SendResult{Status: primitive.SendOK}, nil, true, false},
		"flush timeout":   {&primitive.SendResult{Status: primitive.SendFlushDiskTimeout}, nil, false, true},
		"replica timeout": {&primitive.SendResult{Status: primitive.SendFlushSlaveTimeout}, nil, false, true},
		"no replica":      {&primitive.SendResult{Status: primitive.SendSlaveNotAvailable}, nil, false, true},
		"no result":       {nil, nil, false, true},
		"timeout":         {nil, errors.New("request timeout"), false, true},
		"broken":          {nil, broken, false, true},
		"not connected":   {nil, fmt.Errorf("wrapped: %w", refused), false, false},
	} {
		err := outcome(test.result, test.err)
		if (err == nil) != test.stored || errors.Is(err, ErrOutcomeUnknown) != test.unknown {
			t.Errorf("%s: error %v, want stored %v, unknown %v", name, err, test.stored, test.unknown)
		}
	}
}

// T44: a cancelled send is refused before it begins, so that nothing is stored behind the caller's
// back.
func TestSendBatchWithAnEndedContext(t *testing.T) {
	t.Parallel()
	topic, p := testTopic(t, 1), testProducer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := p.SendBatch(ctx, topic, 0, 1, []Message{{Topic: topic, Body: []byte("b")}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}

	lags, err := testAdmin(t).Lag(t.Context(), topic, "g")
	if err != nil || lags[0].Max != 0 {
		t.Errorf("queue has %d messages, want none (error %v)", lags[0].Max, err)
	}
}
