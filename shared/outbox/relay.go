package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
)

const (
	// roundMax is how many rows one round reads.
	roundMax = 1024
	// pollInterval finds the rows of other instances, whose commits do not wake this relay.
	pollInterval = 200 * time.Millisecond
	// pauseMin and pauseMax bound the growing pause after a failed round.
	pauseMin = 100 * time.Millisecond
	pauseMax = 3 * time.Second
	// releaseTimeout bounds handing back the lease at the end.
	releaseTimeout = 3 * time.Second
)

// Send publishes one batch to one queue of a topic that has queues queues. A nil error
// means that the broker stored all of it. rocketmq.Producer.SendBatch is one.
type Send func(ctx context.Context, topic string, queue, queues int, messages []rocketmq.Message) error

// Relay sends the rows of one database's outbox. Several instances may run; the lease
// lets one of them send at a time.
type Relay struct {
	pool   *dbtx.Pool
	send   Send
	queues map[string]int // queue count by topic
	poll   time.Duration
	lease  lease
	wake   chan struct{}
	log    *slog.Logger
}

// NewRelay makes a relay for the topics in queues (topic to queue count).
func NewRelay(pool *dbtx.Pool, send Send, queues map[string]int, log *slog.Logger) *Relay {
	return &Relay{
		pool:   pool,
		send:   send,
		queues: queues,
		poll:   pollInterval,
		lease:  lease{pool: pool, holder: uuid.NewString()},
		wake:   make(chan struct{}, 1),
		log:    log,
	}
}

// Wake makes the relay look at once. Call it after a commit that added rows; it never blocks.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // a wake-up that was not taken yet covers this commit too
	}
}

// Run sends until ctx is done, then hands the lease back. The round under way is
// finished first: cut off, its messages would be sent again by whoever comes next.
func (r *Relay) Run(ctx context.Context) {
	pause := pauseMin
	for ctx.Err() == nil {
		sent, err := r.round(context.WithoutCancel(ctx))
		switch {
		case err != nil:
			r.log.Error("outbox relay: round failed, trying again", "error", err, "pause", pause.String())
			r.wait(ctx, pause, nil)
			pause = min(2*pause, pauseMax)
		case sent == 0:
			pause = pauseMin
			r.wait(ctx, r.poll, r.wake)
		default:
			pause = pauseMin
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := r.lease.release(ctx); err != nil {
		r.log.Warn("outbox relay: lease not handed back, the next instance waits for its end", "error", err, "ttl", leaseTTL.String())
	}
}

func (r *Relay) wait(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
	}
}

// round sends what is there, at most roundMax rows, and returns how many were sent and
// deleted. The next round starts when every queue of this one is done: rows that failed
// are read again before any later row of their queue.
func (r *Relay) round(ctx context.Context) (int, error) {
	held, err := r.lease.hold(ctx)
	if err != nil || !held {
		return 0, err
	}
	// Rows added under one sharding key have ids in commit order, because their
	// transactions were serialised. A smaller id that commits later belongs to another
	// key, and the next round finds it: nothing here depends on the last id seen.
	var rows []row
	if err := r.pool.Read(ctx).Order("id").Limit(roundMax).Find(&rows).Error; err != nil {
		return 0, fmt.Errorf("read outbox: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	lanes, laneErr := r.lanes(rows)
	confirmed, sendErr := r.sendLanes(ctx, lanes)
	deleteErr := r.delete(ctx, confirmed)
	return len(confirmed), errors.Join(laneErr, sendErr, deleteErr)
}

// delete removes exactly the rows that the broker confirmed.
func (r *Relay) delete(ctx context.Context, ids []uint64) error {
	if len(ids) == 0 {
		return nil
	}
	err := r.pool.Run(ctx, func(tx dbtx.Tx) error {
		return tx.DB().Where("id IN ?", ids).Delete(&row{}).Error
	})
	if err != nil {
		return fmt.Errorf("delete %d sent rows from the outbox, they will be sent again: %w", len(ids), err)
	}
	return nil
}
