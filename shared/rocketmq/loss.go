package rocketmq

import (
	"context"
	"fmt"
	"time"
)

// T3: a broker can come back with less than a group has consumed. Broker and library then agree on
// the queue's end, and the messages before it are given to no consumer. So a Consumer looks for
// such a loss at its start and at every look of its watchdog. It then begins again with the oldest
// stored message: repeats do no harm.
//
// A Consumer sees these losses:
//
//   - The queue ends before an offset that was committed, that was acknowledged, or that was seen
//     as its end. This counts when it stays so over lossLooks looks, because the index of a broker
//     that has just started may be behind (T57: see offsets.go).
//   - The topic was made anew and has already grown beyond that offset (T4: the old offset is
//     written onto it). Its oldest message is another one.
//   - The queue was cut and has grown again. Among the messages that were acknowledged are some
//     that were stored later.
//   - The library was just told that its offset is beyond the end (see moved.go). This shows
//     however fast the queue grows.
//
// A Consumer cannot see a loss that happens while no consumer of the group runs and that is hidden
// again before one starts. At that start only a committed offset beyond the end tells of it. When a
// topic made anew has 200 messages, and an offset of 100 is left over from the old one, the first
// 100 look as if they had been consumed. (RocketMQ 5.4.0 forgets the offsets with the topic, and
// with the store. An offset is left over only when one of them was restored without the other, or
// when a client still writes.)
//
// A Consumer does not see either that a queue was cut before the messages that this session
// acknowledged, when it has grown beyond them between two looks. Messages that were stored later
// lie there in a healthy queue too, when the broker's clock was set back.

// lossLooks is how many looks in a row have to find something wrong before the queue counts as
// lost.
const lossLooks = 3

// queueLook is what a broker says about a queue at one time.
type queueLook struct {
	queue    Queue
	lag      QueueLag
	earliest int64 // when the oldest message was stored, ms; -1: there is none
	// rewritten is an acknowledged offset at which a message lies that was stored after all that
	// were acknowledged, or noOffset.
	rewritten int64
}

func (l queueLook) key() queueKey { return queueKey{l.queue.Broker, l.queue.ID} }

// lookAt asks a queue's broker for everything that can show a loss.
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

// lossWatch remembers, for each queue, what the next look is compared with. Guarded by Consumer.mu.
type lossWatch struct {
	seen map[queueKey]*knownQueue
}

type knownQueue struct {
	min, earliest int64 // the oldest message, and when it was stored, ms
	end           int64 // the highest offset that the queue is known to have reached
	doubts        int   // looks in a row that found something wrong
}

func newLossWatch() *lossWatch { return &lossWatch{seen: map[queueKey]*knownQueue{}} }

// forget drops what is known of a queue. The next look is its first.
func (w *lossWatch) forget(key queueKey) { delete(w.seen, key) }

// doubts reports whether the last look found something wrong with the queue.
func (w *lossWatch) doubts(key queueKey) bool { return w.seen[key] != nil && w.seen[key].doubts > 0 }

// observe notes a look and returns what is wrong with the queue, or "". It takes lossLooks looks in
// a row to find a queue wrong, because the oldest message may expire between two questions, and the
// end may be behind for a moment.
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
		wrong = fmt.Sprintf("its oldest message is another one, stored at %s",
			time.UnixMilli(look.earliest).UTC())
	case look.rewritten != noOffset && look.rewritten < acked:
		wrong = fmt.Sprintf("its message %d was acknowledged, and another one was stored there later",
			look.rewritten)
	default:
		*known = knownQueue{min: lag.Min, earliest: look.earliest, end: lag.Max}
		return ""
	}

	if known.doubts++; known.doubts < lossLooks {
		return ""
	}
	return wrong
}

// lose notes that a queue has to begin again, and logs it. The caller holds mu.
func (c *Consumer) lose(look queueLook, acked int64, wrong string) {
	key := look.key()
	if _, known := c.lost[key]; known {
		return
	}
	c.lost[key] = true
	c.logger.Error("the broker has lost messages of this queue that its group had consumed: beginning again with the oldest one",
		"broker", key.broker, "queue", key.queue, "reason", wrong, "committed", look.lag.Committed,
		"acknowledged", acked,
		"oldest", look.lag.Min, "end", look.lag.Max)
}

// A start looks startLooks times, startPause apart, before it believes that a queue ends too early.
const (
	startLooks = 4
	startPause = 500 * time.Millisecond
)

// refuseOffsetsBeyondTheEnd notes every queue whose committed offset is beyond its end, before the
// library can jump there. Another member of the group may have the queue. That member sees the same
// and acts on it itself.
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
				c.lose(b, noOffset, fmt.Sprintf("it ends at %d, and %d is committed",
					b.lag.Max, b.lag.Committed))
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

// beginAgain sets the group's offset of every lost queue to the queue's oldest message.
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
