package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

var errLeaseShort = errors.New("the outbox lease ends too soon to send")

// place is a queue of a topic. A topic that this relay does not know has the queue -1.
type place struct {
	topic string
	queue int
}

// failure is a queue that is left alone for a while.
type failure struct {
	pause   time.Duration
	retryAt time.Time
}

// lane is the rows of one queue, in order.
type lane struct {
	place
	queues int
	rows   []row
}

// openLanes sorts rows by queue and leaves out, for the rest of the round, the queues
// that pause after a failure.
func (r *Relay) openLanes(rows []row, passed map[place]bool) []*lane {
	lanes := map[place]*lane{}
	for _, row := range rows {
		at, queues := place{row.Topic, -1}, r.queues[row.Topic]
		if queues > 0 {
			at.queue = QueueOf(row.ShardingKey, queues)
		}
		if f, failed := r.failed[at]; failed && time.Now().Before(f.retryAt) {
			passed[at] = true
		}
		if passed[at] {
			continue
		}
		if lanes[at] == nil {
			lanes[at] = &lane{place: at, queues: queues}
		}
		lanes[at].rows = append(lanes[at].rows, row)
	}
	open := make([]*lane, 0, len(lanes))
	for _, l := range lanes {
		open = append(open, l)
	}
	return open
}

// sendLanes sends the lanes side by side and returns the ids that the broker confirmed.
// A lane that fails pauses, longer each time, and is passed over for the rest of the round.
func (r *Relay) sendLanes(ctx context.Context, lanes []*lane, passed map[place]bool) (confirmed []uint64) {
	var mu sync.Mutex
	var sending sync.WaitGroup
	for _, l := range lanes {
		sending.Go(func() {
			ids, err := r.sendLane(ctx, l)
			mu.Lock()
			defer mu.Unlock()
			confirmed = append(confirmed, ids...)
			r.note(l.place, err)
			if err != nil {
				passed[l.place] = true
			}
		})
	}
	sending.Wait()
	return confirmed
}

// note remembers how a queue's sends went.
func (r *Relay) note(at place, err error) {
	if err == nil {
		delete(r.failed, at)
		return
	}
	pause := min(max(pauseMin, 2*r.failed[at].pause), pauseMax)
	r.failed[at] = failure{pause: pause, retryAt: time.Now().Add(pause)}
	r.log.Error("outbox relay: queue failed, trying again", "topic", at.topic, "queue", at.queue, "error", err, "pause", pause.String())
}

// sendLane sends one queue's rows batch by batch and stops at the first batch that is
// not confirmed: the rows behind it must not overtake it.
func (r *Relay) sendLane(ctx context.Context, l *lane) ([]uint64, error) {
	if l.queue < 0 {
		return nil, fmt.Errorf("outbox row %d is for topic %q, which this relay does not know", l.rows[0].ID, l.topic)
	}
	var confirmed []uint64
	for rest := l.rows; len(rest) > 0; {
		n := batchLength(rest)
		if !r.lease.coversSend() {
			return confirmed, errLeaseShort
		}
		messages := make([]rocketmq.Message, 0, n)
		for _, row := range rest[:n] {
			messages = append(messages, l.message(row))
		}
		if err := r.send(ctx, l.topic, l.queue, l.queues, messages); err != nil {
			return confirmed, fmt.Errorf("send %d messages, first outbox id %d: %w", n, rest[0].ID, err)
		}
		for _, row := range rest[:n] {
			confirmed = append(confirmed, row.ID)
		}
		rest = rest[n:]
	}
	return confirmed, nil
}

func (l *lane) message(row row) rocketmq.Message {
	return rocketmq.Message{
		Topic: l.topic, Queue: l.queue, Key: row.MessageKey, ShardingKey: row.ShardingKey, Tag: row.Tag,
		Body: row.Body, Properties: map[string]string{settlement.PropertyTraceparent: row.Traceparent},
	}
}

// propertiesMaxBytes is more than one message's keys, tag and properties take.
const propertiesMaxBytes = 512

// batchLength is how many of rows fit one batch, at least one.
func batchLength(rows []row) int {
	size := 0
	for i, row := range rows {
		size += len(row.Body) + propertiesMaxBytes
		if i > 0 && (i == rocketmq.BatchMax || size > rocketmq.BatchMaxBytes) {
			return i
		}
	}
	return len(rows)
}
