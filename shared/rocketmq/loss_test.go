package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// Codes of requests that only these tests make.
const (
	requestDeleteInBroker  = 215
	requestDeleteInNamesrv = 216
	requestResetOffset     = 222
)

// quickTiming looks often, so that a loss is seen at once.
var quickTiming = watchTiming{
	every: 300 * time.Millisecond, stallAfter: time.Minute, rebuildEvery: time.Hour,
	beginEvery: time.Second, drain: 5 * time.Second,
}

func onlyQueue(t *testing.T, admin *Admin, topic string) Queue {
	t.Helper()
	route, err := admin.Route(t.Context(), topic)
	if err != nil || len(route.Readable) != 1 {
		t.Fatalf("route %v, error %v", route, err)
	}
	return route.Readable[0]
}

// deleteTopic deletes a topic as mqadmin does.
func deleteTopic(t *testing.T, admin *Admin, q Queue) {
	t.Helper()
	for addr, code := range map[string]int{
		q.Addr: requestDeleteInBroker, admin.namesrvs[0]: requestDeleteInNamesrv,
	} {
		if _, err := admin.remoting.ask(t.Context(), addr, code,
			map[string]string{"topic": q.Topic}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitCommitted waits until the group's offset is at want.
func awaitCommitted(t *testing.T, admin *Admin, q Queue, group string, want int64) {
	t.Helper()
	eventually(t, received, func() error {
		got, err := admin.CommittedOffset(t.Context(), q, group)
		if err == nil && got != want {
			err = fmt.Errorf("committed offset is %d, want %d", got, want)
		}
		return err
	})
}

func awaitEnd(t *testing.T, admin *Admin, q Queue, want int64) {
	t.Helper()
	eventually(t, received, func() error {
		got, err := admin.MaxOffset(t.Context(), q)
		if err == nil && got != want {
			err = fmt.Errorf("queue ends at %d, want %d", got, want)
		}
		return err
	})
}

// consumed makes a topic of one queue and a group that has consumed and committed count messages of
// it. The group's consumer is stopped.
func consumed(t *testing.T, p *Producer, count int) (topic, group string, q Queue) {
	t.Helper()
	admin := testAdmin(t)
	topic, group = testTopic(t, 1), testGroup()
	q = onlyQueue(t, admin, topic)
	publish(t, p, topic, 0, 1, 0, count)

	var r record
	c := startConsumer(t, topic, group, 32, r.handle)
	eventually(t, received, r.atLeast(count))
	stop(t, c)
	awaitCommitted(t, admin, q, group, int64(count))
	return topic, group, q
}

// T3: a committed offset beyond the queue's end is set to the oldest message when a consumer
// starts.
func TestStartBeginsAgainWhenTheQueueEndsBeforeTheOffset(t *testing.T) {
	t.Parallel()
	p, admin := testProducer(t), testAdmin(t)
	topic, group, q := consumed(t, p, 10)
	if err := admin.commitOffset(t.Context(), q, group, 1000); err != nil {
		t.Fatal(err)
	}

	var r record
	c := startConsumer(t, topic, group, 32, r.handle)
	eventually(t, received, r.atLeast(10))
	publish(t, p, topic, 0, 1, 10, 5)
	eventually(t, received, r.atLeast(15))
	wantBodies(t, r.bodies(0), numbers(0, 15))

	stop(t, c)
	awaitCommitted(t, admin, q, group, 15)
}

// T4: a topic is deleted and created again under a running consumer. It then has fewer messages
// than the consumer has consumed, or more before the consumer can look.
func TestATopicMadeAnewIsConsumedFromItsBeginning(t *testing.T) {
	for name, count := range map[string]int{"fewer": 10, "more": 300} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic, group, p, admin := testTopic(t, 1), testGroup(), testProducer(t), testAdmin(t)
			q := onlyQueue(t, admin, topic)
			publish(t, p, topic, 0, 1, 0, 100)

			var r record
			c := newConsumer(t, topic, group, 32, r.handle)
			c.timing = quickTiming
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, received, r.atLeast(100))
			awaitCommitted(t, admin, q, group, 100)

			deleteTopic(t, admin, q)
			if err := admin.CreateTopic(t.Context(), topic, 1); err != nil {
				t.Fatal(err)
			}
			publish(t, p, topic, 0, 1, 1000, count)

			eventually(t, 2*received, func() error { return wantAll(&r, 1000, count) })
			awaitCommitted(t, admin, q, group, int64(count)) // later messages may have come first
			stop(t, c)
			awaitCommitted(t, admin, q, group, int64(count))
		})
	}
}

// wantAll returns an error unless each of count bodies from first on was received, repeats or not.
func wantAll(r *record, first, count int) error {
	got := map[string]bool{}
	for _, body := range r.bodies(0) {
		got[body] = true
	}
	for _, body := range numbers(first, count) {
		if !got[body] {
			return fmt.Errorf("message %s of %d was not received", body, count)
		}
	}
	return nil
}

// A stop right after the loss leaves the group at the oldest message, not beyond the end.
func TestStopAfterALossLeavesTheGroupAtTheOldestMessage(t *testing.T) {
	for name, count := range map[string]int{"fewer": 10, "more": 300} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic, group, p, admin := testTopic(t, 1), testGroup(), testProducer(t), testAdmin(t)
			q := onlyQueue(t, admin, topic)
			publish(t, p, topic, 0, 1, 0, 100)

			var before, after record
			c := startConsumer(t, topic, group, 32, before.handle)
			eventually(t, received, before.atLeast(100))
			awaitCommitted(t, admin, q, group, 100)

			deleteTopic(t, admin, q)
			if err := admin.CreateTopic(t.Context(), topic, 1); err != nil {
				t.Fatal(err)
			}
			publish(t, p, topic, 0, 1, 1000, count)
			awaitEnd(t, admin, q, int64(count))

			stop(t, c)
			if got, err := admin.CommittedOffset(t.Context(), q, group); err != nil || got != 0 {
				t.Errorf("committed offset is %d after the stop, error %v, want 0", got, err)
			}

			startConsumer(t, topic, group, 32, after.handle)
			eventually(t, received, func() error { return wantAll(&after, 1000, count) })
		})
	}
}

// Two consumers share a topic that is made anew. The old offsets of neither survive, whichever of
// them has a queue afterwards.
func TestAGroupOfTwoBeginsAgain(t *testing.T) {
	t.Parallel()
	const queues, each = 4, 50
	topic, group, p, admin := testTopic(t, queues), testGroup(), testProducer(t), testAdmin(t)
	for queue := range queues {
		publish(t, p, topic, queue, queues, 0, 100)
	}

	var r record
	for range 2 {
		c := newConsumer(t, topic, group, 32, r.handle)
		c.timing = quickTiming
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}

	eventually(t, 2*received, r.atLeast(queues*100))
	route, err := admin.Route(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range route.Readable {
		awaitCommitted(t, admin, q, group, 100)
	}

	deleteTopic(t, admin, route.Readable[0])
	if err := admin.CreateTopic(t.Context(), topic, queues); err != nil {
		t.Fatal(err)
	}
	for queue := range queues {
		publish(t, p, topic, queue, queues, 1000, each)
	}

	eventually(t, 3*received, func() error {
		for queue := range queues {
			got := map[string]bool{}
			for _, body := range r.bodies(queue) {
				got[body] = true
			}
			for _, body := range numbers(1000, each) {
				if !got[body] {
					return fmt.Errorf("queue %d: message %s was not received", queue, body)
				}
			}
		}
		return nil
	})
	for _, q := range route.Readable {
		awaitCommitted(t, admin, q, group, each)
	}
}

// A queue that has to begin again does so with the consumer that a rebalance gives it to.
func TestAQueueBeginsAgainWithItsNextConsumer(t *testing.T) {
	t.Parallel()
	const queues, count = 2, 10
	topic, group, p, admin := testTopic(t, queues), testGroup(), testProducer(t), testAdmin(t)
	for queue := range queues {
		publish(t, p, topic, queue, queues, 0, count)
	}

	var before, after record
	c := newConsumer(t, topic, group, 32, before.handle)
	c.timing.every = time.Hour // otherwise the watchdog would have them begin again first
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}

	eventually(t, received, before.atLeast(queues*count))
	route, err := admin.Route(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range route.Readable {
		awaitCommitted(t, admin, q, group, count)
	}

	c.mu.Lock()
	for _, q := range route.Readable {
		c.lost[queueKey{q.Broker, q.ID}] = true
	}
	c.mu.Unlock()

	startConsumer(t, topic, group, 32, after.handle)
	eventually(t, 2*received, after.atLeast(count))

	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lost) != 1 {
		t.Errorf("%d queues have still to begin again with the first consumer, want 1", len(c.lost))
	}
}

// Every way in which a queue shows that it is not the one it was, and changes that only look like
// it.
func TestLossWatch(t *testing.T) {
	key := queueKey{"b", 3}
	look := func(oldest, end, committed, earliest int64) queueLook {
		return queueLook{
			queue: Queue{Broker: "b", ID: 3}, earliest: earliest, rewritten: noOffset,
			lag: QueueLag{Broker: "b", Queue: 3, Min: oldest, Max: end, Committed: committed},
		}
	}

	rewritten := look(0, 120, 100, 7)
	rewritten.rewritten = 40
	for name, test := range map[string]struct {
		second queueLook
		acked  int64
		want   bool
	}{
		"as before":                      {look(0, 100, 90, 7), 95, false},
		"grown":                          {look(0, 500, 90, 7), 95, false},
		"oldest expired":                 {look(50, 100, 90, 9), 95, false},
		"all expired":                    {look(100, 100, 100, -1), 95, false},
		"shorter":                        {look(0, 99, 90, 7), 95, true},
		"shorter than what is committed": {look(0, 110, 111, 7), 95, true},
		"shorter than what is done":      {look(0, 110, 90, 7), 111, true},
		"empty":                          {look(0, 0, 90, -1), 95, true},
		"anew and grown":                 {look(0, 500, 90, 8), 95, true},
		"anew, expired before":           {look(0, 500, 90, 8), 95, true},
		"cut and grown":                  {rewritten, 100, true},
		"rewritten where it was not yet": {rewritten, 30, false},
	} {
		w := newLossWatch()
		if wrong := w.observe(look(0, 100, 90, 7), 95); wrong != "" || w.doubts(key) {
			t.Errorf("%s: wrong at the first look: %s", name, wrong)
		}

		for n := 1; n <= lossLooks; n++ {
			wrong := w.observe(test.second, test.acked)
			if want := test.want && n == lossLooks; (wrong != "") != want || w.doubts(key) != test.want {
				t.Errorf("%s: look %d says %q with doubts %v, want a loss %v",
					name, n, wrong, w.doubts(key), want)
			}
		}
	}

	// Nothing is wrong in the end: the broker was building its index, or the oldest message expired
	// between two questions.
	w := newLossWatch()
	w.observe(look(0, 100, 90, 7), 95)
	w.observe(look(0, 80, 90, 7), 95)
	w.observe(look(0, 100, 90, 8), 95)
	if wrong := w.observe(look(0, 101, 90, 7), 95); wrong != "" || w.doubts(key) {
		t.Errorf("wrong after the index was complete: %s", wrong)
	}
}

// T52: pullRefused understands the library's warning of a refused offset as the pinned version
// prints it.
func TestPullRefusedIsUnderstood(t *testing.T) {
	s, log := testSession(t, func(context.Context, []Delivery) error { return errors.New("not called") })
	c := s.consumer
	c.session = s
	c.listen(true)
	t.Cleanup(func() { c.listen(false) })
	s.assigned = map[queueKey]bool{{"b", 3}: true}

	for _, other := range []string{
		"", "x", "[ConsumerGroup: h, Topic: t, MessageQueue: brokerName=b, queueId=3, nextOffset=5]",
		"[ConsumerGroup: g, Topic: t, MessageQueue: brokerName=b, queueId=4, nextOffset=5]",
	} {
		pullRefused(other)
	}

	c.mu.Lock()
	asking := c.asking
	c.mu.Unlock()
	if asking != 0 {
		t.Errorf("%d questions after refusals of others", asking)
	}

	pullRefused("[ConsumerGroup: g, Topic: t, MessageQueue: brokerName=b, queueId=3, nextOffset=5]")
	eventually(t, received, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.asking > 0 || log.Len() == 0 {
			return errors.New("not asked yet")
		}
		return nil
	})
}
