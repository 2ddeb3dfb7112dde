package rocketmq

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// testSession is a session without a server. The test calls it in the place of the library.
func testSession(t *testing.T, handle Handler) (*session, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	c, err := NewOrderlyConsumer(ConsumerConfig{
		Namesrv: "127.0.0.1:1", Group: "g", Topic: "t", BatchMax: 8,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, handle)
	if err != nil {
		t.Fatal(err)
	}
	return &session{consumer: c}, &log
}

func testMessage(topic string, offset int64) *primitive.MessageExt {
	m := &primitive.MessageExt{QueueOffset: offset}
	m.Topic = topic
	m.Body = []byte("body")
	return m
}

// deliver calls s as the library does and returns its answer and the pause that it set, -1 for
// none.
func deliver(
	t *testing.T, s *session, topic string, msgs ...*primitive.MessageExt,
) (consumer.ConsumeResult, time.Duration) {
	t.Helper()
	orderly := primitive.NewConsumeOrderlyContext()
	orderly.MQ = primitive.MessageQueue{Topic: topic, BrokerName: "b", QueueId: 3}
	result, err := s.deliver(primitive.WithOrderlyCtx(t.Context(), orderly), msgs...)
	if err != nil {
		t.Errorf("deliver returned error %v: the library takes that for a success", err)
	}
	return result, time.Duration(orderly.SuspendCurrentQueueTimeMillis) * time.Millisecond
}

// T1: whatever the handler does, the library is told "done" or "again after a pause", never
// anything else.
func TestDeliverAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		handle Handler
		want   consumer.ConsumeResult
		pause  time.Duration
		log    string
	}{
		"done": {
			func(context.Context, []Delivery) error { return nil }, consumer.ConsumeSuccess,
			-time.Millisecond, "",
		},
		"error": {
			func(context.Context, []Delivery) error { return errors.New("no") },
			consumer.SuspendCurrentQueueAMoment, pauseMin, "error=no",
		},
		"panic": {
			func(context.Context, []Delivery) error { panic("oops") }, consumer.SuspendCurrentQueueAMoment,
			pauseMin, "deliver_test.go",
		},
		"nil panic": {
			func(context.Context, []Delivery) error { panic(nil) }, consumer.SuspendCurrentQueueAMoment,
			pauseMin, "panic",
		},
		"nil access": {
			func(context.Context, []Delivery) error { var p *Delivery; _ = p.Body; return nil },
			consumer.SuspendCurrentQueueAMoment, pauseMin, "nil pointer",
		},
	} {
		s, log := testSession(t, test.handle)
		if got, pause := deliver(t, s, "t", testMessage("t", 7)); got != test.want || pause != test.pause {
			t.Errorf("%s: answer %v and pause %s, want %v and %s", name, got, pause, test.want, test.pause)
		}

		if !strings.Contains(log.String(), test.log) {
			t.Errorf("%s: log is %q, want %q in it", name, log, test.log)
		}
		if strings.Contains(log.String(), "body") {
			t.Errorf("%s: a message's body is in the log %q", name, log)
		}

		if q := s.consumer.queues[queueKey{"b", 3}]; q.busy || s.inFlight != 0 {
			t.Errorf("%s: the queue was not given back", name)
		}
	}
}

// T24: a handler that ends its goroutine ends a goroutine of the library with it, but leaves
// nothing locked.
func TestDeliverSurvivesGoexit(t *testing.T) {
	s, _ := testSession(t, func(context.Context, []Delivery) error { runtime.Goexit(); return nil })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		deliver(t, s, "t", testMessage("t", 7))
	}()
	<-ended
	if q := s.consumer.queues[queueKey{"b", 3}]; q.busy || q.failures != 1 || s.inFlight != 0 {
		t.Errorf("the queue was not given back: %+v, %d in flight", q, s.inFlight)
	}
}

// T14: the pause grows while the batch begins with the same message, however many messages have
// joined it. It starts again with another first message, or after a success.
func TestPauseGrowsWithTheFirstMessage(t *testing.T) {
	fail := true
	s, _ := testSession(t, func(context.Context, []Delivery) error {
		if fail {
			return errors.New("no")
		}
		return nil
	})

	one, two := testMessage("t", 1), testMessage("t", 2)
	steps := []struct {
		msgs []*primitive.MessageExt
		fail bool
		want time.Duration
	}{
		{[]*primitive.MessageExt{one}, true, pauseMin},
		{[]*primitive.MessageExt{one, two}, true, 2 * pauseMin},
		{[]*primitive.MessageExt{one, two}, true, 4 * pauseMin},
		{[]*primitive.MessageExt{two}, true, pauseMin},
		{[]*primitive.MessageExt{two}, false, -time.Millisecond},
		{[]*primitive.MessageExt{two}, true, pauseMin},
	}

	for i, step := range steps {
		fail = step.fail
		if _, pause := deliver(t, s, "t", step.msgs...); pause != step.want {
			t.Errorf("step %d: pause %s, want %s", i, pause, step.want)
		}
	}
}

// T22: a message that does not come from the topic's own queue, in that queue's order, never
// reaches the handler.
func TestDeliverRefusesWhatIsNotItsOwn(t *testing.T) {
	s, log := testSession(t, func(context.Context, []Delivery) error {
		t.Error("the handler was called")
		return nil
	})

	// The library gives a message of the retry topic the name of the original one.
	if got, pause := deliver(t, s, "%RETRY%g",
		testMessage("t", 1)); got != consumer.SuspendCurrentQueueAMoment || pause != pauseMax {
		t.Errorf("retry topic: answer %v and pause %s", got, pause)
	}
	if got, _ := deliver(t, s, "t", testMessage("other", 1)); got != consumer.SuspendCurrentQueueAMoment {
		t.Errorf("message of another topic: answer %v", got)
	}

	// An operator's "consume directly" has no orderly context.
	if got, err := s.deliver(t.Context(), testMessage("t", 1)); got != consumer.SuspendCurrentQueueAMoment ||
		err != nil {
		t.Errorf("direct message: answer %v, error %v", got, err)
	}

	s.assigned = map[queueKey]bool{{"b", 4}: true}
	if got, pause := deliver(t, s, "t", testMessage("t", 1)); got != consumer.SuspendCurrentQueueAMoment ||
		pause != refusedPause {
		t.Errorf("queue that went to another consumer: answer %v and pause %s", got, pause)
	}
	s.assigned = nil
	s.closing = true
	if got, pause := deliver(t, s, "t", testMessage("t", 1)); got != consumer.SuspendCurrentQueueAMoment ||
		pause != refusedPause {
		t.Errorf("while stopping: answer %v and pause %s", got, pause)
	}

	if n := strings.Count(log.String(), "level=ERROR"); n != 3 {
		t.Errorf("%d errors in the log, want 3: %s", n, log)
	}
}

// T16: two handlers of this process never have one queue, even when the library calls for it twice.
func TestDeliverHandsAQueueToOneHandler(t *testing.T) {
	called, release := make(chan struct{}), make(chan struct{})
	s, _ := testSession(t, func(context.Context, []Delivery) error {
		close(called)
		<-release
		return nil
	})

	next := &session{consumer: s.consumer}
	first := make(chan consumer.ConsumeResult)
	go func() {
		result, _ := deliver(t, s, "t", testMessage("t", 1))
		first <- result
	}()

	<-called
	if got, pause := deliver(t, next, "t", testMessage("t", 1)); got != consumer.SuspendCurrentQueueAMoment ||
		pause != refusedPause {
		t.Errorf("second handler: answer %v and pause %s", got, pause)
	}

	close(release)
	if got := <-first; got != consumer.ConsumeSuccess {
		t.Errorf("first handler: answer %v", got)
	}
}

func TestAllocateKeepsQueuesThatTheBrokerForgot(t *testing.T) {
	s, _ := testSession(t, func(context.Context, []Delivery) error { return nil })
	var all []*primitive.MessageQueue
	for id := range 4 {
		all = append(all, &primitive.MessageQueue{Topic: "t", BrokerName: "b", QueueId: id})
	}

	if got := s.allocate("g", "me", all, []string{"me", "other"}); len(got) != 2 {
		t.Fatalf("share of two consumers is %v, want 2 queues", got)
	}
	if got := s.allocate("g", "me", all, []string{"me", "me", "other", "other"}); len(got) != 2 ||
		got[1].QueueId != 1 {
		t.Fatalf("share of two consumers, each listed twice, is %v, want queues 0 and 1", got)
	}

	for _, clients := range [][]string{nil, {"other"}} {
		if got := s.allocate("g", "me", all, clients); len(got) != 2 ||
			got[0].QueueId != 0 || got[1].QueueId != 1 {
			t.Errorf("share while the broker knows %v is %v, want queues 0 and 1 as before", clients, got)
		}
	}
	if got := s.allocate("g", "me", all, []string{"me"}); len(got) != 4 {
		t.Errorf("share of one consumer is %v, want 4 queues", got)
	}

	retry := []*primitive.MessageQueue{{Topic: "%RETRY%g", BrokerName: "b"}}
	s.allocate("g", "me", retry, []string{"me"})
	if len(s.assigned) != 4 {
		t.Errorf("%d queues are ours after the retry topic was shared out, want 4", len(s.assigned))
	}
}

func TestClientLog(t *testing.T) {
	var out bytes.Buffer
	log := clientLog{slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	fields := map[string]any{"messages": "secret body", "message": "secret body", "broker": "b"}

	for name, test := range map[string]struct {
		write func(string, map[string]any)
		msg   string
		want  string
	}{
		"debug":   {log.Debug, "m", ""},
		"info":    {log.Info, "m", "level=DEBUG"},
		"warning": {log.Warning, "m", "level=WARN"},
		"routine": {log.Warning, "consumeMessage Orderly return not OK", "level=DEBUG"},
		"error":   {log.Error, "m", "level=WARN"},
		"fatal":   {log.Fatal, "m", "level=ERROR"},
	} {
		out.Reset()
		test.write(test.msg, fields)
		got := out.String()
		if test.want == "" && got != "" || !strings.Contains(got, test.want) ||
			strings.Contains(got, "secret") {
			t.Errorf("%s: logged %q, want %q and no body", name, got, test.want)
		}
	}
}
