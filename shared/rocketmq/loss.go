package rocketmq

import (
	"context"
	"fmt"
	"time"
)

// T3: a broker can come back with less than a group has consumed. Broker and library then agree on the queue's end,
// and what lies before it is given to nobody. So a Consumer looks for that, at its start and at every look of its
// watchdog, and begins again with the oldest message that is stored: repeats do no harm.
//
// What it sees, and by what:
//
//   - the queue ends before what was committed, acknowledged or seen as its end: by the numbers, when it stays so
//     over lossLooks looks, because the index of a broker that just started may be behind (T57: see offsets.go);
//   - the topic was made anew and has grown beyond that already (T4: the old offset is written onto it): by the
//     oldest message, which is another one;
//   - the queue was cut and has grown again: by messages among those that were acknowledged that were stored later;
//   - the library was just told that its offset is beyond the end (see moved.go), however fast the queue grows.
//
// What it cannot see is what happens while no consumer of the group runs, and is hidden again before one starts: only
// a committed offset beyond the end tells of it then. 200 messages in a topic made anew, with an offset of 100 left
// over from the old one, look like 100 messages that were consumed. Nor does it see a queue that was cut before what
// this session acknowledged, and has grown beyond it between two looks: messages stored later lie there in a healthy
// queue too, when the broker's clock was set back. (RocketMQ 5.4.0 forgets the offsets with the
// topic, and with the store; it takes a restored copy of one without the other, or a client that still writes.)

// lossLooks is in how many looks in a row a queue has to end too early.
const lossLooks = 3

// queueLook is what a broker says of a queue at a time.
type queueLook struct {
	queue    Queue
	lag      QueueLag
	earliest int64 // when the oldest message was stored, ms; -1: there is none
	// rewritten is a message among those that were acknowledged that was stored after them, or noOffset.
	rewritten int64
}

func (l queueLook) key() queueKey { return queueKey{l.queue.Broker, l.queue.ID} }

// lookAt asks a queue's broker for what a loss can be seen by.
func (c *Consumer) lookAt(ctx context.Context, q Queue, a queueActivity) (queueLook, error) {
	look := queueLook{queue: q, rewritten: noOffset}
	var err error
	if look.lag, err = c.admin.queueLag(ctx, q, c.cfg.Group); err != nil {
		return look, err
	}
	if look.earliest, err = c.admin.earliestTime(ctx, q); err != nil {
		return look, err
	}

	if a.ours && a.acked != noOffset {
		first, err := c.admin.firstStoredAt(ctx, q, a.storedUntil+1)
		if err != nil {
			return look, err
		}
		if a.hasAcknowledged(first) {
			look.rewritten = first
		}
	}
	return look, nil
}

// lossWatch remembers of each queue what a loss is seen by. Guarded by Consumer.mu.
type lossWatch struct {
	seen map[queueKey]*knownQueue
}

type knownQueue struct {
	min, earliest int64 // the oldest message, and when it was stored, ms
	end           int64 // the highest offset that the queue is known to have reached
	doubts        int   // looks in a row that found it otherwise
}

func newLossWatch() *lossWatch { return &lossWatch{seen: map[queueKey]*knownQueue{}} }

// forget begins with the queue as the next look finds it.
func (w *lossWatch) forget(key queueKey) { delete(w.seen, key) }

// doubts tells whether the last look found something wrong with the queue.
func (w *lossWatch) doubts(key queueKey) bool { return w.seen[key] != nil && w.seen[key].doubts > 0 }

// observe notes a look and says what is wrong with the queue, or nothing. Not in the first look that finds it: the
// oldest message may expire between two questions, and the end may be behind for a moment.
func (w *lossWatch) observe(look queueLook, acked int64) string {
	lag, end := look.lag, max(look.lag.Committed, acked)
	known := w.seen[look.key()]
	if known == nil {
		known = &knownQueue{min: lag.Min, earliest: look.earliest, end: end}
		w.seen[look.key()] = known
	}
	known.end = max(known.end, end)

	var wrong string
	switch {
	case lag.Max < known.end:
		wrong = fmt.Sprintf("it ends at %d, and is known to have reached %d", lag.Max, known.end)
	case lag.Min < known.min:
		wrong = fmt.Sprintf("it begins at %d, and began at %d before", lag.Min, known.min)
	case lag.Min == known.min && look.earliest >= 0 && known.earliest >= 0 && look.earliest != known.earliest:
		wrong = fmt.Sprintf("its oldest message is another one, stored at %s", time.UnixMilli(look.earliest).UTC())
	case look.rewritten != noOffset && look.rewritten < acked:
		wrong = fmt.Sprintf("its message %d was acknowledged, and another one was stored there later", look.rewritten)
	default:
		*known = knownQueue{min: lag.Min, earliest: look.earliest, end: lag.Max}
		return ""
	}
	if known.doubts++; known.doubts < lossLooks {
		return ""
	}
	return wrong
}

// lose notes that a queue has to begin again, and says so. The caller holds mu.
func (c *Consumer) lose(look queueLook, acked int64, wrong string) {
	key := look.key()
	if _, known := c.lost[key]; known {
		return
	}
	c.lost[key] = true
	c.logger.Error("the broker has lost messages of this queue that its group had consumed: beginning again with the oldest one",
		"broker", key.broker, "queue", key.queue, "reason", wrong, "committed", look.lag.Committed, "acknowledged", acked,
		"oldest", look.lag.Min, "end", look.lag.Max)
}

// startLooks and startPause are how a start makes sure that a queue ends too early.
const (
	startLooks = 4
	startPause = 500 * time.Millisecond
)

// refuseOffsetsBeyondTheEnd notes every queue whose committed offset is beyond its end, before the library can jump
// there. Another member of the group may have the queue: that one sees the same, and goes by it itself.
func (c *Consumer) refuseOffsetsBeyondTheEnd(ctx context.Context) error {
	queues, err := c.readable(ctx)
	if err != nil {
		return err
	}
	for look := range startLooks {
		var beyond []queueLook
		for _, q := range queues {
			lag, err := c.admin.queueLag(ctx, q, c.cfg.Group)
			if err != nil {
				return err
			}
			if lag.Committed > lag.Max {
				beyond = append(beyond, queueLook{queue: q, lag: lag})
			}
		}
		if len(beyond) == 0 {
			return nil
		}

		if look == startLooks-1 {
			c.mu.Lock()
			for _, b := range beyond {
				c.lose(b, noOffset, fmt.Sprintf("it ends at %d, and %d is committed", b.lag.Max, b.lag.Committed))
			}
			c.mu.Unlock()
			return nil
		}
		queues = queues[:0:0]
		for _, b := range beyond {
			queues = append(queues, b.queue)
		}
		if err := pause(ctx, startPause); err != nil {
			return err
		}
	}
	return nil
}

// beginAgain sets the group's offset of every queue that was lost to its oldest message.
func (c *Consumer) beginAgain(ctx context.Context) error {
	c.mu.Lock()
	lost := make([]queueKey, 0, len(c.lost))
	for key := range c.lost {
		lost = append(lost, key)
	}
	c.mu.Unlock()
	if len(lost) == 0 {
		return nil
	}

	targets, err := c.oldest(ctx, lost)
	if err == nil {
		err = c.setOffsets(ctx, targets, 0)
	}
	if err != nil {
		return fmt.Errorf("queues that have to begin again: %w", err)
	}
	c.begun(targets)
	return nil
}

// begun notes that the group's offsets of these queues were set, so that they are looked at afresh.
func (c *Consumer) begun(offsets map[queueKey]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range offsets {
		delete(c.lost, key)
		c.losses.forget(key)
	}
}

// oldest is the offset of the oldest message of each of these queues.
func (c *Consumer) oldest(ctx context.Context, keys []queueKey) (map[queueKey]int64, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	queues, err := c.readable(ctx)
	if err != nil {
		return nil, err
	}
	wanted := map[queueKey]bool{}
	for _, key := range keys {
		wanted[key] = true
	}
	offsets := map[queueKey]int64{}
	for _, q := range queues {
		key := queueKey{q.Broker, q.ID}
		if !wanted[key] {
			continue
		}
		if offsets[key], err = c.admin.MinOffset(ctx, q); err != nil {
			return nil, err
		}
	}
	return offsets, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
