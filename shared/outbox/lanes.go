package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

var errLeaseShort = errors.New("the outbox lease ends too soon to send")

// lane is the rows of one queue, in order. Its rounds run beside those of the others, one at a time.
type lane struct {
	topic  string
	queue  int
	queues int
	busy   bool // a round is under way
	paused pausing
	floor  floor
}

// pausing is what is left alone for a while after a failure.
type pausing struct {
	pause   time.Duration
	retryAt time.Time
}

func (p *pausing) failed() {
	p.pause = min(max(pauseMin, 2*p.pause), pauseMax)
	p.retryAt = time.Now().Add(p.pause)
}

func (p *pausing) over() bool { return !time.Now().Before(p.retryAt) }

// round is one go of a lane: what it may send, and what came of it.
type round struct {
	lane  *lane
	began time.Time
	term  int // of the lease
	// last is the newest row that was there when the round began. Beyond it a later page could have a row whose
	// predecessor was not committed yet when an earlier page passed its place, and would overtake it.
	last  uint64
	floor floor // the lane's, and then the one to go on with
	err   error
}

// run sends what is there, from the oldest row on, page by page. It stops at the first batch that is not confirmed:
// the rows behind it must not overtake it. When stop is done it stops with the page under way.
func (r *Relay) run(ctx, stop context.Context, g *round) {
	if g.floor.due(r.settles) {
		if g.err = r.raise(ctx, g); g.err != nil {
			return
		}
	}
	for after := g.floor.id; after < g.last; {
		page, err := r.page(ctx, g, after)
		if err != nil {
			g.err = err
			return
		}
		confirmed, err := r.sendPage(ctx, g, page)
		g.err = errors.Join(err, r.delete(ctx, g, confirmed))
		if g.err != nil || len(page) < pageRows || stop.Err() != nil {
			return
		}
		after = page[len(page)-1].ID
	}
}

func (r *Relay) page(ctx context.Context, g *round, after uint64) (page []row, err error) {
	defer r.useDatabase()()
	from := inLane(g.lane.topic, g.lane.queues, g.lane.queue)
	err = r.pool.Read(ctx).Raw("SELECT id, topic, sharding_key, message_key, tag, traceparent, body"+
		lanesIndex+from.where+" AND id > ? AND id <= ? ORDER BY id LIMIT ?", append(from.args, after, g.last, pageRows)...).Scan(&page).Error
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	return page, nil
}

// sendPage sends a page batch by batch and returns the ids that the broker confirmed.
func (r *Relay) sendPage(ctx context.Context, g *round, page []row) (confirmed []uint64, err error) {
	l := g.lane
	for rest := page; len(rest) > 0; {
		n := batchLength(rest)
		if !r.lease.coversSend(g.term) {
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

// delete removes exactly the rows that the broker confirmed.
func (r *Relay) delete(ctx context.Context, g *round, ids []uint64) error {
	if len(ids) == 0 {
		return nil
	}
	defer r.useDatabase()()
	err := r.pool.Run(ctx, func(tx dbtx.Tx) error { return dbtx.DeleteByID(tx, "outbox", ids) })
	if err != nil {
		g.floor = floor{} // rows that look deleted until the server has rolled back are there again then
		return fmt.Errorf("%d sent rows of the outbox will be sent again: %w", len(ids), err)
	}
	return nil
}

func (l *lane) message(row row) rocketmq.Message {
	return rocketmq.Message{
		Topic: l.topic, Queue: l.queue, Key: row.MessageKey, ShardingKey: row.ShardingKey, Tag: row.Tag,
		Body: row.Body, Properties: map[string]string{settlement.PropertyTraceparent: row.Traceparent},
	}
}

// propertiesMaxBytes is more than one message's keys, tag and properties take.
const propertiesMaxBytes = 512

// batchLength is how many rows of a page fit one batch, at least one.
func batchLength(page []row) int {
	size := 0
	for i, row := range page {
		size += len(row.Body) + propertiesMaxBytes
		if i > 0 && (i == rocketmq.BatchMax || size > rocketmq.BatchMaxBytes) {
			return i
		}
	}
	return len(page)
}
