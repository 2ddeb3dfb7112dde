package rocketmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestStallWatch(t *testing.T) {
	const after = time.Minute
	start := time.Unix(1000, 0)
	lag := QueueLag{Broker: "b", Queue: 3, Max: 10, Committed: 4, Lag: 6}
	ours := queueActivity{ours: true, acked: noOffset}

	for name, test := range map[string]struct {
		second   QueueLag
		activity queueActivity
		at       time.Duration
		want     bool
	}{
		"stands still": {lag, ours, after, true},
		"not for long": {lag, ours, after - 1, false},
		"moved": {
			QueueLag{Broker: "b", Queue: 3, Max: 10, Committed: 5, Lag: 5}, ours, after, false,
		},
		"no backlog": {
			QueueLag{Broker: "b", Queue: 3, Max: 4, Committed: 4}, ours, after, false,
		},
		"handler busy": {
			lag, queueActivity{ours: true, busy: true, acked: noOffset}, after, false,
		},
		"handler just ended": {
			lag, queueActivity{ours: true, acked: 5, activeAt: start.Add(after / 2)}, after, false,
		},
		"pausing": {
			lag, queueActivity{ours: true, acked: noOffset, activeAt: start.Add(2 * after)}, after, false,
		},
		"handler ended long ago": {lag, queueActivity{ours: true, acked: 5, activeAt: start}, after, true},
		"done but not committed": {
			lag, queueActivity{ours: true, acked: 10, activeAt: start}, after, false,
		},
		"belongs to another":       {lag, queueActivity{acked: noOffset}, after, false},
		"never committed, backlog": {lag, queueActivity{ours: true, acked: noOffset}, 2 * after, true},
		"never committed, new lag": {
			QueueLag{Broker: "b", Queue: 3, Max: 12, Committed: 4, Lag: 8}, ours, after, true,
		},
		"another queue, first look": {
			QueueLag{Broker: "b", Queue: 4, Max: 10, Committed: 4, Lag: 6}, ours, after, false,
		},
	} {
		w := newStallWatch(after)
		activity := func(queueKey) queueActivity { return test.activity }

		if got := w.observe(start, []QueueLag{lag}, activity); len(got) != 0 {
			t.Errorf("%s: stalled at the first look", name)
		}
		if got := w.observe(start.Add(test.at), []QueueLag{test.second},
			activity); (len(got) == 1) != test.want {
			t.Errorf("%s: stalled %v, want %v", name, got, test.want)
		}
	}
}

func TestStallWatchForgetsWhatItCouldNotSee(t *testing.T) {
	w := newStallWatch(time.Minute)
	lags := []QueueLag{{Broker: "b", Max: 1, Lag: 1, Committed: -1}}
	activity := func(queueKey) queueActivity { return queueActivity{ours: true, acked: noOffset} }
	w.observe(time.Unix(0, 0), lags, activity)
	w.reset() // the broker was away for an hour
	if got := w.observe(time.Unix(3600, 0), lags, activity); len(got) != 0 {
		t.Errorf("stalled %v right after the broker came back", got)
	}
}

// T28: a queue stands still when another client holds its lock and does nothing with it. The
// watchdog names the queue and replaces the library's consumer. The queue goes on when the lock is
// gone.
func TestWatchdogNamesAStalledQueueAndRecovers(t *testing.T) {
	t.Parallel()
	const queues, held = 4, 2
	topic, group, p, admin := testTopic(t, queues), testGroup(), testProducer(t), testAdmin(t)
	route, err := admin.Route(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}

	lock := func() {
		answer, err := admin.lockRequest(t.Context(), requestLock,
			route.Readable[held].Addr, group, "thief", route.Readable[held:held+1])
		if err != nil {
			t.Fatal(err)
		}
		var locked struct {
			Queues []lockQueue `json:"lockOKMQSet"`
		}
		if err := json.Unmarshal(answer.Body, &locked); err != nil || len(locked.Queues) != 1 {
			t.Fatalf("the lock was not given: %s, error %v", answer.Body, err)
		}
	}

	lock()
	for queue := range queues {
		publish(t, p, topic, queue, queues, 0, 10)
	}

	var r record
	c := newConsumer(t, topic, group, 8, r.handle)
	c.timing = watchTiming{
		every: 200 * time.Millisecond, stallAfter: 5 * time.Second, rebuildEvery: 3 * time.Second,
		drain: time.Second,
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}

	first := c.session
	eventually(t, received, func() error {
		if got := c.Stalled(); !slices.Equal(got, []int{held}) {
			return fmt.Errorf("stalled queues are %v, want [%d]", got, held)
		}
		return nil
	})
	eventually(t, received, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.session == nil || c.session == first {
			return errors.New("the library's consumer was not replaced")
		}
		return nil
	})

	for queue := range queues {
		if want := 10; queue != held && len(r.bodies(queue)) != want {
			t.Errorf("queue %d: %d messages, want %d", queue, len(r.bodies(queue)), want)
		}
	}

	if err := admin.unlock(t.Context(), route.Readable[held].Addr, group, "thief",
		route.Readable[held:held+1]); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*received, r.atLeast(queues*10))
	eventually(t, received, func() error {
		if got := c.Stalled(); len(got) != 0 {
			return fmt.Errorf("stalled queues are %v, want none", got)
		}
		return nil
	})

	stop(t, c)
	for queue := range queues {
		wantBodies(t, r.bodies(queue), numbers(0, 10))
	}
}

// A queue whose handler takes long is not stalled.
func TestWatchdogLeavesABusyHandlerAlone(t *testing.T) {
	t.Parallel()
	const stallAfter = 5 * time.Second // longer than a start takes
	topic, p := testTopic(t, 1), testProducer(t)
	publish(t, p, topic, 0, 1, 0, 1)

	called, busyFor := make(chan struct{}), time.NewTimer(time.Hour)
	var r record
	c := newConsumer(t, topic, testGroup(), 8, func(ctx context.Context, batch []Delivery) error {
		busyFor.Reset(stallAfter + 2*time.Second)
		close(called)
		select {
		case <-busyFor.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		return r.handle(ctx, batch)
	})

	c.timing = watchTiming{
		every: 100 * time.Millisecond, stallAfter: stallAfter, rebuildEvery: time.Hour, drain: time.Second,
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-called:
	case <-time.After(received):
		t.Fatal("handler was not called")
	}

	eventually(t, received, func() error {
		if got := c.Stalled(); len(got) != 0 {
			t.Fatalf("stalled queues are %v while the handler is busy", got)
		}
		return r.atLeast(1)()
	})
}

// A new session is of use only to a queue that is ours and whose broker answers.
func TestOnlyQueuesThatCanBeginAgainNeedANewSession(t *testing.T) {
	s, _ := testSession(t, func(context.Context, []Delivery) error { return nil })
	c := s.consumer
	c.session, s.assigned = s, map[queueKey]bool{{"up", 1}: true, {"away", 0}: true}
	answered := []QueueLag{{Broker: "up", Queue: 0}, {Broker: "up", Queue: 1}}

	for key, want := range map[queueKey]bool{{"away", 0}: false, {"up", 0}: false, {"up", 1}: true} {
		c.lost = map[queueKey]bool{key: true}
		if got := c.lostAmong(answered); got != want {
			t.Errorf("%v: %v, want %v", key, got, want)
		}
	}
}
