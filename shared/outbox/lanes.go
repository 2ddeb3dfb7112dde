package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

var errLeaseShort = errors.New("outbox lease ends too soon to send")

// lane is the rows of one queue, in order.
type lane struct {
	topic  string
	queue  int
	queues int
	rows   []row
}

// lanes sorts rows by queue. Rows of a topic that is not configured are an error and
// stay; the others go on.
func (r *Relay) lanes(rows []row) ([]*lane, error) {
	type place struct {
		topic string
		queue int
	}
	byPlace := map[place]*lane{}
	var lanes []*lane
	var err error
	for _, row := range rows {
		queues, known := r.queues[row.Topic]
		if !known {
			err = fmt.Errorf("outbox row %d is for topic %q, which this relay does not know", row.ID, row.Topic)
			continue
		}
		at := place{row.Topic, QueueOf(row.ShardingKey, queues)}
		l := byPlace[at]
		if l == nil {
			l = &lane{topic: at.topic, queue: at.queue, queues: queues}
			byPlace[at] = l
			lanes = append(lanes, l)
		}
		l.rows = append(l.rows, row)
	}
	return lanes, err
}

// sendLanes sends the lanes side by side and returns the ids that the broker confirmed.
func (r *Relay) sendLanes(ctx context.Context, lanes []*lane) ([]uint64, error) {
	var mu sync.Mutex
	var confirmed []uint64
	var errs []error
	var wg sync.WaitGroup
	for _, l := range lanes {
		wg.Go(func() {
			ids, err := r.sendLane(ctx, l)
			mu.Lock()
			defer mu.Unlock()
			confirmed = append(confirmed, ids...)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return confirmed, errors.Join(errs...)
}

// sendLane sends one queue's rows batch by batch and stops at the first batch that is
// not confirmed: the rows behind it must not overtake it.
func (r *Relay) sendLane(ctx context.Context, l *lane) ([]uint64, error) {
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
			return confirmed, fmt.Errorf("send %d messages to %s queue %d, first outbox id %d: %w", n, l.topic, l.queue, rest[0].ID, err)
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
