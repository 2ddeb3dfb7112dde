package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const received = 30 * time.Second // a rebalance can cost 20 s

func TestConsumerKeepsOrderAndBatches(t *testing.T) {
	t.Parallel()
	topic, p := testTopic(t, 4), testProducer(t)
	for queue := range 4 {
		publish(t, p, topic, queue, 4, queue*1000, 200)
	}

	var r record
	startConsumer(t, topic, testGroup(), 32, r.handle)
	eventually(t, received, r.atLeast(800))

	for queue := range 4 {
		wantBodies(t, r.bodies(queue), numbers(queue*1000, 200))
	}
	if n := r.largest(); n != 32 {
		t.Errorf("largest batch has %d messages, want BatchMax 32", n)
	}

	for _, batch := range r.batches {
		for i, d := range batch {
			if d.Queue != batch[0].Queue || d.Offset != batch[0].Offset+int64(i) {
				t.Fatalf("batch is not consecutive: message %d is queue %d offset %d behind queue %d offset %d",
					i, d.Queue, d.Offset, batch[0].Queue, batch[0].Offset)
			}
		}
	}
}

// T14, T24, T25: an error and a panic suspend the queue with a growing pause and give the same
// batch again; other queues go on.
func TestConsumerSuspendsWithGrowingPause(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("not now") },
		"panic": func() error { panic("oops") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const failures = 4
			topic, p := testTopic(t, 2), testProducer(t)
			publish(t, p, topic, 0, 2, 0, 10)
			publish(t, p, topic, 1, 2, 100, 10)

			var all, done record
			var failed atomic.Int32
			startConsumer(t, topic, testGroup(), 32, func(ctx context.Context, batch []Delivery) error {
				if batch[0].Queue == 0 && failed.Load() < failures {
					all.add(batch)
					failed.Add(1)
					return fail()
				}
				if batch[0].Queue == 0 {
					all.add(batch)
				}
				done.add(batch)
				return nil
			})

			eventually(t, received, func() error {
				if failed.Load() == 0 {
					return errors.New("no failure yet")
				}
				return nil
			})

			// The first message joins the batch of the suspended queue. The second is in the other
			// queue, which must not wait for it.
			publish(t, p, topic, 0, 2, 10, 1)
			publish(t, p, topic, 1, 2, 110, 1)
			eventually(t, received, done.atLeast(22))
			wantBodies(t, done.bodies(0), numbers(0, 11))
			wantBodies(t, done.bodies(1), append(numbers(100, 10), "110"))

			for i := 1; i <= failures; i++ {
				if all.batches[i][0].Offset != 0 || len(all.batches[i]) < 10 {
					t.Errorf("attempt %d began at offset %d with %d messages, want the whole batch from 0 again",
						i+1, all.batches[i][0].Offset, len(all.batches[i]))
				}
				pause, want := all.times[i].Sub(all.times[i-1]), growingPause(i)
				if pause < want || pause > want+2*time.Second {
					t.Errorf("pause %d was %s, want %s", i, pause, want)
				}
			}
		})
	}
}

func TestGrowingPause(t *testing.T) {
	want := []time.Duration{0, 100, 200, 400, 800, 1600, 3200, 5000, 5000}
	for failures := 1; failures < len(want); failures++ {
		if got := growingPause(failures); got != want[failures]*time.Millisecond {
			t.Errorf("pause after %d failures is %s, want %d ms", failures, got, want[failures])
		}
	}
	if got := growingPause(1 << 30); got != pauseMax {
		t.Errorf("pause after very many failures is %s, want %s", got, pauseMax)
	}
}

// T6: messages from before the group's first start are not skipped.
func TestConsumerBeginsWithTheOldestMessage(t *testing.T) {
	t.Parallel()
	topic, p := testTopic(t, 1), testProducer(t)
	publish(t, p, topic, 0, 1, 0, 5)
	var r record
	startConsumer(t, topic, testGroup(), 8, r.handle)
	eventually(t, received, r.atLeast(5))
	publish(t, p, topic, 0, 1, 5, 5)
	eventually(t, received, r.atLeast(10))
	wantBodies(t, r.bodies(0), numbers(0, 10))
}

// T10: several consumers of a group run one after the other, and each is stopped in the middle of
// its work. Together they receive every message exactly once.
func TestStopLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	const queues, each = 4, 1500
	topic, group, p, admin := testTopic(t, queues), testGroup(), testProducer(t), testAdmin(t)
	for queue := range queues {
		publish(t, p, topic, queue, queues, 0, each)
	}

	var r record
	for range 3 {
		before := r.count()
		c := startConsumer(t, topic, group, 8, func(ctx context.Context, batch []Delivery) error {
			// Slow enough that a stop meets handlers under way and messages that are prefetched.
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			return r.handle(ctx, batch)
		})

		eventually(t, received, r.atLeast(before+300))
		stop(t, c)
		atStop := r.count()

		lags, err := admin.Lag(t.Context(), topic, group)
		if err != nil {
			t.Fatal(err)
		}
		for _, lag := range lags {
			if acked := int64(len(r.bodies(lag.Queue))); lag.Committed != acked {
				t.Errorf("queue %d: committed offset is %d after the stop, acknowledged were %d",
					lag.Queue, lag.Committed, acked)
			}
		}
		if atStop != r.count() {
			t.Errorf("handler was called after Stop had returned")
		}
	}

	startConsumer(t, topic, group, 32, r.handle)
	eventually(t, 2*received, r.atLeast(queues*each))
	for queue := range queues {
		wantBodies(t, r.bodies(queue), numbers(0, each))
	}
}

func stop(t *testing.T, c *Consumer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Fatalf("stop: %v", err)
	}
}

// When Stop's time is over, the context of a handler that has not ended is cancelled. What the
// handler did not acknowledge comes again.
func TestStopIsBoundedAndCancelsHandlers(t *testing.T) {
	t.Parallel()
	topic, group, p := testTopic(t, 1), testGroup(), testProducer(t)
	publish(t, p, topic, 0, 1, 0, 3)

	called := make(chan struct{})
	var once sync.Once
	c := startConsumer(t, topic, group, 8, func(ctx context.Context, _ []Delivery) error {
		once.Do(func() { close(called) })
		<-ctx.Done()
		return ctx.Err()
	})
	select {
	case <-called:
	case <-time.After(received):
		t.Fatal("handler was not called")
	}

	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Errorf("the handler ended when it was cancelled, but stop: %v", err)
	}
	if took := time.Since(began); took < 500*time.Millisecond || took > 5*time.Second {
		t.Errorf("stop took %s, want a little more than 500 ms", took)
	}

	stop(t, c) // a second time
	var r record
	startConsumer(t, topic, group, 8, r.handle)
	eventually(t, received, r.atLeast(3))
	wantBodies(t, r.bodies(0), numbers(0, 3))
}

// T26: a second consumer takes half of the queues while the first is at work, and no message is
// lost or comes twice.
func TestSecondConsumerTakesItsShareWithoutRepeats(t *testing.T) {
	t.Parallel()
	const queues, each = 4, 600
	topic, group, p := testTopic(t, queues), testGroup(), testProducer(t)
	for queue := range queues {
		publish(t, p, topic, queue, queues, 0, each)
	}

	var a, b record
	slowly := func(r *record) Handler {
		return func(ctx context.Context, batch []Delivery) error {
			select {
			case <-time.After(40 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			return r.handle(ctx, batch)
		}
	}

	first := startConsumer(t, topic, group, 8, slowly(&a))
	eventually(t, received, a.atLeast(each/2))
	second := startConsumer(t, topic, group, 8, slowly(&b))
	eventually(t, received, func() error {
		for _, c := range []*Consumer{first, second} {
			c.mu.Lock()
			n := len(c.session.assigned)
			c.mu.Unlock()
			if n != queues/2 {
				return fmt.Errorf("a consumer has %d queues, want %d", n, queues/2)
			}
		}
		return nil
	})

	// The second consumer gets the locks at its next rebalance, at most 20 s away. If they had to
	// expire, it would take 60 s more.
	eventually(t, 50*time.Second, func() error {
		if got := a.count() + b.count(); got < queues*each {
			return fmt.Errorf("%d messages received, want %d", got, queues*each)
		}
		return nil
	})

	moved := 0
	for queue := range queues {
		before, after := a.bodies(queue), b.bodies(queue)
		wantBodies(t, append(before, after...), numbers(0, each))
		if len(before) > 0 && len(after) > 0 {
			moved++
		}
	}
	if moved != queues/2 {
		t.Errorf("%d queues moved in the middle, want %d", moved, queues/2)
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	handle := func(context.Context, []Delivery) error { return nil }
	missing := newConsumer(t, "test-no-such-topic", testGroup(), 8, handle)
	if err := missing.Start(); !errors.Is(err, ErrTopicMissing) ||
		!strings.Contains(err.Error(), "test-no-such-topic") {
		t.Errorf("start without the topic: %v, want ErrTopicMissing with its name", err)
	}

	away, err := NewOrderlyConsumer(ConsumerConfig{
		Namesrv: "127.0.0.1:1", Group: testGroup(), Topic: "t", BatchMax: 8, Logger: testLogger(t),
	}, handle)
	if err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	if err := away.Start(); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("start without a name server: %v, want an error with its address", err)
	}
	if took := time.Since(began); took > startTimeout+time.Second {
		t.Errorf("start without a name server took %s", took)
	}

	stop(t, away)
	if err := away.Start(); err == nil {
		t.Error("a stopped consumer started")
	}
}

// T35: a start that failed because the topic was missing works once the topic is there.
func TestStartCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	topic := testTopic(t, 1) + "-later"
	var r record
	c := newConsumer(t, topic, testGroup(), 8, r.handle)
	if err := c.Start(); err == nil {
		t.Fatal("started without its topic")
	}

	if err := testAdmin(t).CreateTopic(t.Context(), topic, 1); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}

	publish(t, testProducer(t), topic, 0, 1, 0, 1)
	eventually(t, received, r.atLeast(1))
	if err := c.Start(); err == nil {
		t.Error("a running consumer started again")
	}
}

func TestNewConsumerRefusesBadSettings(t *testing.T) {
	handle := func(context.Context, []Delivery) error { return nil }
	good := ConsumerConfig{Namesrv: "127.0.0.1:9876", Group: "g", Topic: "t", BatchMax: 1}
	if _, err := NewOrderlyConsumer(good, nil); err == nil {
		t.Error("no handler: no error")
	}

	for name, change := range map[string]func(*ConsumerConfig){
		"no group":    func(c *ConsumerConfig) { c.Group = "" },
		"no topic":    func(c *ConsumerConfig) { c.Topic = "" },
		"batch 0":     func(c *ConsumerConfig) { c.BatchMax = 0 },
		"batch 1025":  func(c *ConsumerConfig) { c.BatchMax = 1025 },
		"bad namesrv": func(c *ConsumerConfig) { c.Namesrv = "rmq:9876" },
	} {
		cfg := good
		change(&cfg)
		if _, err := NewOrderlyConsumer(cfg, handle); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
