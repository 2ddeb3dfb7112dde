package rocketmq

import "time"

// staleAfter is how long an offset that the library has sent, with a commit or with a pull, may be
// on its way.
const staleAfter = 30 * time.Second

// queueKey names a queue of the consumer's topic.
type queueKey struct {
	broker string
	queue  int
}

// queueProgress is what this process knows of a queue. Guarded by Consumer.mu; it outlives
// sessions.
type queueProgress struct {
	busy     bool      // a handler has it
	failedAt int64     // offset of the first message of the batch that failed last
	failures int       // times in a row that a batch beginning at failedAt failed
	activeAt time.Time // when a handler last had it, or when its pause ends

	// Of this session.
	acked       int64 // offset behind what handlers acknowledged, or noOffset
	ackedFrom   int64 // handlers acknowledged everything from here to acked, or noOffset
	storedUntil int64 // ms: none of these messages was stored later
	resetTo     int64 // where an operator has set the offset, until messages come from there, or noOffset
	setBack     int64 // the group's offset while behind what was committed long ago, or noOffset
	floor       int64 // what was committed more than staleAfter ago, or noOffset
	nextFloor   int64
	nextFloorAt time.Time
}

// progress returns what is known of a queue. The caller holds mu.
func (c *Consumer) progress(key queueKey) *queueProgress {
	q := c.queues[key]
	if q == nil {
		q = &queueProgress{}
		q.begin()
		c.queues[key] = q
	}
	return q
}

// begin forgets what belongs to a session, or to the time before another consumer had the queue.
func (q *queueProgress) begin() {
	q.acked, q.ackedFrom, q.storedUntil, q.resetTo, q.setBack = noOffset, noOffset, 0, noOffset, noOffset
	q.floor, q.nextFloor, q.nextFloorAt = noOffset, noOffset, time.Time{}
}

// acknowledge notes that a handler is done with a batch.
func (q *queueProgress) acknowledge(batch []Delivery) {
	first := batch[0].Offset
	if first < q.acked || first == q.resetTo {
		// An operator's reset has taken effect.
		q.resetTo, q.setBack = noOffset, noOffset
		q.floor, q.nextFloor, q.nextFloorAt = noOffset, noOffset, time.Time{}
	}

	if first != q.acked {
		q.ackedFrom, q.storedUntil = first, 0
	}

	q.acked = batch[len(batch)-1].Offset + 1
	for _, d := range batch {
		q.storedUntil = max(q.storedUntil, d.StoredAt.UnixMilli())
	}
}

// committed notes the group's offset at a time. The offset may go back a little by itself, when an
// older one that the library has sent arrives late. When it is behind what it was long ago, an
// operator has set it.
func (q *queueProgress) committed(now time.Time, offset int64) {
	if q.setBack = noOffset; offset < q.floor {
		q.setBack = max(offset, 0)
		return
	}
	if now.Sub(q.nextFloorAt) >= staleAfter {
		q.floor, q.nextFloor, q.nextFloorAt = q.nextFloor, offset, now
	}
}

// heldAt returns the offset that an operator has set and from which no message has come yet, or
// noOffset.
func (q *queueProgress) heldAt() int64 {
	if q.resetTo != noOffset {
		return q.resetTo
	}
	return q.setBack
}
