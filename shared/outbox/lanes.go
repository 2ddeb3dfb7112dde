package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/traceparent"
)

var errLeaseShort = errors.New("the outbox lease ends too soon to send")

// lane is the rows of one queue, in order. It has one round at a time, beside the rounds of the
// other lanes.
type lane struct {
	topic  string
	queue  int
	queues int
	busy   bool // a round is under way
	paused pausing
}

// free reports whether a round may begin.
func (l *lane) free() bool { return !l.busy && l.paused.over() }

// pausing says until when something is left alone after a failure.
type pausing struct {
	pause   time.Duration
	retryAt time.Time
}

func (p *pausing) failed() {
	p.pause = min(max(pauseMin, 2*p.pause), pauseMax)
	p.retryAt = time.Now().Add(p.pause)
}

func (p *pausing) over() bool { return !time.Now().Before(p.retryAt) }

// round is one go of a lane: what it may send, and what became of it.
type round struct {
	lane *lane
	term int // of the lease
	// ids are the rows that were there when the round began. When ids is nil, they are the rows up
	// to last. A round does not go beyond what was there. Otherwise a later page could have a row
	// whose predecessor was not committed yet when an earlier page was read, and that row would
	// overtake its predecessor.
	ids  []uint64
	last uint64
	err  error
}

// run sends what a round has, from the oldest row on, page by page. It stops at the first batch
// that is not confirmed: the rows behind it must not overtake it. When stop is done, run ends after
// the page under way.
func (r *Relay) run(ctx, stop context.Context, g *round) {
	if g.ids != nil {
		for ids := range slices.Chunk(g.ids, pageRows) {
			if r.sendNext(ctx, g, "id IN ?", ids); g.err != nil || stop.Err() != nil {
				return
			}
		}
		return
	}

	// id + 0 keeps the server from reading a range of ids. At the end of a range the server would
	// read on, over the deleted rows of the next lanes that an old snapshot keeps. The pages behind
	// the first are a range: from 0 they would begin with the rows that were just deleted.
	page := r.sendNext(ctx, g, "id + 0 <= ?", g.last)
	for g.err == nil && len(page) == pageRows && stop.Err() == nil {
		page = r.sendNext(ctx, g, "id > ? AND id <= ?", page[len(page)-1].ID, g.last)
	}
}

// sendNext sends and deletes a page: the oldest rows that meet the condition.
func (r *Relay) sendNext(ctx context.Context, g *round, meant string, args ...any) []row {
	page, err := r.page(ctx, g, meant, args)
	if err != nil {
		g.err = err
		return nil
	}
	confirmed, err := r.sendPage(ctx, g, page)
	g.err = errors.Join(err, r.delete(ctx, confirmed))
	return page
}

func (r *Relay) page(ctx context.Context, g *round, meant string, args []any) (page []row, err error) {
	defer r.useDatabase()()
	from := " FROM outbox FORCE INDEX (PRIMARY) WHERE "
	if g.ids == nil {
		lane := inLane(g.lane.topic, g.lane.queues, g.lane.queue)
		from, args = lanesIndex+lane.where+" AND ", append(lane.args, args...)
	}
	err = r.pool.Read(ctx).Raw("SELECT id, topic, sharding_key, message_key, tag, traceparent, body"+
		from+meant+" ORDER BY id LIMIT ?",
		append(args, pageRows)...).Scan(&page).Error
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
		first, err := r.send(ctx, l.topic, l.queue, l.queues, messages)
		if err != nil {
			return confirmed, fmt.Errorf("send %d messages, first outbox id %d: %w", n, rest[0].ID, err)
		}

		for i, row := range rest[:n] {
			confirmed = append(confirmed, row.ID)
			r.log.Info("message sent", "topic", l.topic, "queue", l.queue, "offset", first+int64(i), "type",
				row.Tag, "number", row.MessageKey,
				"ordering_key", row.ShardingKey, "trace_id", traceparent.TraceID(row.Traceparent))
		}
		rest = rest[n:]
	}
	return confirmed, nil
}

// delete removes exactly the rows that the broker confirmed.
func (r *Relay) delete(ctx context.Context, ids []uint64) error {
	if len(ids) == 0 {
		return nil
	}
	defer r.useDatabase()()
	err := r.pool.Run(ctx, func(tx dbtx.Tx) error { return dbtx.DeleteByID(tx, "outbox", ids) })
	if err != nil {
		return fmt.Errorf("%d sent rows of the outbox will be sent again: %w", len(ids), err)
	}
	return nil
}

func (l *lane) message(row row) rocketmq.Message {
	return rocketmq.Message{
		Topic: l.topic, Queue: l.queue, Key: row.MessageKey, ShardingKey: row.ShardingKey, Tag: row.Tag,
		Body: row.Body, Properties: map[string]string{traceparent.Property: row.Traceparent},
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
