package rocketmq

import (
	"context"
	"slices"
	"time"
)

// watchTiming holds the times by which the watchdog works.
type watchTiming struct {
	every        time.Duration // between two looks
	stallAfter   time.Duration // without progress, before a queue counts as stalled
	rebuildEvery time.Duration // at least between two new sessions
	beginEvery   time.Duration // likewise, when queues have to begin again
	drain        time.Duration // how long a new session waits for the handlers under way
}

// T27: a dead consumer's lock lives 60 s and a rebalance may take 20 s more, so that a queue can
// stand still for that long with nothing wrong.
var defaultTiming = watchTiming{
	every: 5 * time.Second, stallAfter: 2 * time.Minute, rebuildEvery: 5 * time.Minute,
	beginEvery: 30 * time.Second, drain: 30 * time.Second,
}

// lookTimeout bounds one look.
const lookTimeout = 5 * time.Second

// Stalled lists the queues of this consumer that stand still though they have messages, ascending,
// by their number on their broker. A queue stands still when the group's committed offset has not
// moved for 2 minutes and, in that time, no handler of this process had the queue or paused it.
// T28: such queues were seen after a broker's restart. The watchdog logs an error for each and
// replaces the library's consumer, at most every 5 minutes, when the handlers under way end within
// 30 s. It does not interrupt a handler that never returns, and does not look at queues that the
// group has given to other consumers.
func (c *Consumer) Stalled() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.stalled)
}

func (c *Consumer) watch(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	ticker := time.NewTicker(c.timing.every)
	defer ticker.Stop()
	progress := newStallWatch(c.timing.stallAfter)
	var rebuilt, begun time.Time

	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-ticker.C:
		}

		stalled, lost := c.look(ctx, progress)
		c.mu.Lock()
		missing := c.session == nil
		c.mu.Unlock()

		switch {
		case lost && !missing && time.Since(begun) >= c.timing.beginEvery:
			begun = time.Now()
			c.rebuild(ctx, "because the broker had lost messages")
		case missing, len(stalled) > 0 && time.Since(rebuilt) >= c.timing.rebuildEvery:
			rebuilt = time.Now()
			c.rebuild(ctx, "because queues stood still")
		default:
			continue
		}

		progress = newStallWatch(c.timing.stallAfter)
	}
}

// look asks the broker for the group's offsets and notes which queues are stalled, and which were
// lost. lost means that queues have to begin again, and can.
func (c *Consumer) look(ctx context.Context, progress *stallWatch) (now []int, lost bool) {
	ctx, cancel := context.WithTimeout(ctx, max(c.timing.every, lookTimeout))
	defer cancel()

	lags, _, err := c.lookAtQueues(ctx)
	var stalled []QueueLag
	if err != nil {
		// While the broker is away nothing can move, and that is not this consumer's fault.
		progress.reset()
		c.logger.Debug("watchdog cannot ask for offsets", "error", err)
	} else {
		stalled = progress.observe(time.Now(), lags, c.activity())
		lost = c.lostAmong(lags)
	}

	c.mu.Lock()
	before := c.stalled
	c.stalled = nil
	for _, lag := range stalled {
		c.stalled = append(c.stalled, lag.Queue)
	}
	slices.Sort(c.stalled)
	now = slices.Clone(c.stalled)
	c.mu.Unlock()

	for _, lag := range stalled {
		if !slices.Contains(before, lag.Queue) {
			c.logger.Error("queue stands still though it has messages",
				"broker", lag.Broker, "queue", lag.Queue,
				"committed", lag.Committed, "max", lag.Max, "lag", lag.Lag, "for_at_least",
				c.timing.stallAfter.String())
		}
	}
	return now, lost
}

// lostAmong says whether queues of ours whose broker has just answered have to begin again. For a
// queue of another consumer, or while the queue's broker is away, a new session would be of no use.
func (c *Consumer) lostAmong(lags []QueueLag) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(lags, func(lag QueueLag) bool {
		key := queueKey{lag.Broker, lag.Queue}
		return c.lost[key] && c.ours(key)
	})
}

// lookAtQueues asks the brokers for what they have of each queue, and notes those of ours that were
// lost or set back. doubtful means that a queue may be lost; later looks will show it.
func (c *Consumer) lookAtQueues(ctx context.Context) (lags []QueueLag, doubtful bool, err error) {
	route, err := c.admin.Route(ctx, c.cfg.Topic)
	if err != nil {
		return nil, false, err
	}

	c.mu.Lock()
	if c.session != nil {
		c.session.gateway.masters(route.Readable)
	}
	c.mu.Unlock()

	for _, q := range route.Readable {
		a := c.activity()(queueKey{q.Broker, q.ID})
		look, err := c.lookAt(ctx, q, a)
		if err != nil {
			return nil, false, err
		}
		lags = append(lags, look.lag)

		c.mu.Lock()
		wrong := c.losses.observe(look, a.acked)
		switch {
		case wrong != "" && a.ours:
			c.lose(look, a.acked, wrong)
		case wrong != "":
			c.losses.forget(look.key()) // the consumer that has the queue sees it too
		case a.ours:
			c.progress(look.key()).committed(time.Now(), look.lag.Committed)
		}
		doubtful = doubtful || c.losses.doubts(look.key())
		c.mu.Unlock()
	}
	return lags, doubtful, nil
}

// rebuild replaces the session. When the new one cannot be started, the consumer has none and the
// next look tries again.
func (c *Consumer) rebuild(ctx context.Context, why string) {
	c.mu.Lock()
	old := c.session
	c.mu.Unlock()

	if old != nil {
		drain, cancel := context.WithTimeout(ctx, c.timing.drain)
		defer cancel()
		if err := old.drain(drain); err != nil {
			old.resume()
			c.logger.Error("cannot replace the RocketMQ consumer now, "+why, "error", err)
			return
		}

		finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer cancel()
		if err := old.finish(finish); err != nil {
			c.logger.Error("replaced RocketMQ consumer did not end cleanly", "error", err)
		}
		c.mu.Lock()
		c.session = nil
		c.mu.Unlock()
	}

	open, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.openSession(open); err != nil {
		c.logger.Error("new RocketMQ consumer did not start, trying again", "error", err)
		return
	}
	c.logger.Warn("replaced the RocketMQ consumer, " + why)
}

// queueActivity is what this process does with a queue.
type queueActivity struct {
	ours        bool // or not known to be another's
	busy        bool
	acked       int64
	ackedFrom   int64
	storedUntil int64 // ms
	activeAt    time.Time
}

// ours says whether a queue is ours, or not known to be another's. The caller holds mu.
func (c *Consumer) ours(key queueKey) bool {
	return c.session == nil || c.session.assigned == nil || c.session.assigned[key]
}

// hasAcknowledged says whether this session has acknowledged offset and, without a gap, everything
// from there to its last acknowledgement.
func (a queueActivity) hasAcknowledged(offset int64) bool {
	return a.acked != noOffset && offset >= a.ackedFrom && offset < a.acked
}

func (c *Consumer) activity() func(queueKey) queueActivity {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := make(map[queueKey]queueActivity, len(c.queues))
	for key, q := range c.queues {
		known[key] = queueActivity{
			busy: q.busy, acked: q.acked, ackedFrom: q.ackedFrom, storedUntil: q.storedUntil,
			activeAt: q.activeAt,
		}
	}

	var assigned map[queueKey]bool
	if c.session != nil {
		assigned = c.session.assigned
	}

	return func(key queueKey) queueActivity {
		activity, ok := known[key]
		if !ok {
			activity.acked = noOffset
		}
		activity.ours = assigned == nil || assigned[key]
		return activity
	}
}

// stallWatch remembers since when each queue has made no progress.
type stallWatch struct {
	after time.Duration
	seen  map[queueKey]committedAt
}

type committedAt struct {
	committed int64
	since     time.Time
}

func newStallWatch(after time.Duration) *stallWatch {
	return &stallWatch{after: after, seen: map[queueKey]committedAt{}}
}

func (w *stallWatch) reset() { clear(w.seen) }

// observe notes the group's offsets at a time and returns the queues that are stalled then.
func (w *stallWatch) observe(
	now time.Time, lags []QueueLag, activity func(queueKey) queueActivity,
) []QueueLag {
	var stalled []QueueLag
	for _, lag := range lags {
		key := queueKey{lag.Broker, lag.Queue}
		a := activity(key)
		seen, ok := w.seen[key]
		// Acknowledged messages are done, though the library commits them up to 5 s later, or much
		// later when it forgot their offset.
		backlog := lag.Lag > 0 && a.acked < lag.Max
		if !ok || !backlog || !a.ours || a.busy || seen.committed != lag.Committed {
			w.seen[key] = committedAt{lag.Committed, now}
			continue
		}

		if now.Sub(seen.since) >= w.after && now.Sub(a.activeAt) >= w.after {
			stalled = append(stalled, lag)
		}
	}
	return stalled
}
