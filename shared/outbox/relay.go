package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/wake"
)

const (
	// pageRows is how many rows are read at once, pagesMax how many such pages in one round.
	pageRows = 1024
	pagesMax = 16
	// pollInterval finds the rows of other instances, whose commits do not wake this relay.
	pollInterval = 200 * time.Millisecond
	// pauseMin and pauseMax bound the growing pause of a queue that fails, and of the relay
	// when the database does.
	pauseMin = 100 * time.Millisecond
	pauseMax = 3 * time.Second
	// endTimeout bounds the last round and handing back the lease.
	endTimeout = 8 * time.Second
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
	failed map[place]failure // queues whose last send failed
	lease  lease
	bell   wake.Bell
	log    *slog.Logger
}

// NewRelay makes a relay for the topics in queues (topic to queue count).
func NewRelay(pool *dbtx.Pool, send Send, queues map[string]int, log *slog.Logger) *Relay {
	return &Relay{
		pool:   pool,
		send:   send,
		queues: queues,
		poll:   pollInterval,
		failed: map[place]failure{},
		lease:  lease{pool: pool, holder: uuid.NewString()},
		bell:   wake.NewBell(),
		log:    log,
	}
}

// Wake makes the relay look at once. Call it after a commit that added rows; it never blocks.
func (r *Relay) Wake() { r.bell.Ring() }

// Run sends until ctx is done, then what is there at that moment once more, and hands
// the lease back. A round under way is finished first: cut off, its messages would be
// sent again by whoever comes next.
func (r *Relay) Run(ctx context.Context) {
	pause := pauseMin
	for ctx.Err() == nil {
		sent, err := r.round(context.WithoutCancel(ctx))
		switch {
		case err != nil:
			r.log.Error("outbox relay: round failed, trying again", "error", err, "pause", pause.String())
			wake.Pause(ctx, pause)
			pause = min(2*pause, pauseMax)
		case sent == 0:
			pause = pauseMin
			r.bell.Wait(ctx, r.poll)
		default:
			pause = pauseMin
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if _, err := r.round(ctx); err != nil {
		r.log.Warn("outbox relay: last round failed, what is left is sent by the next instance", "error", err)
	}
	if err := r.lease.release(ctx); err != nil {
		r.log.Warn("outbox relay: lease not handed back, the next instance waits for its end", "error", err, "ttl", leaseTTL.String())
	}
}

// round sends what is there and returns how many rows were sent and deleted. It begins
// with the oldest row, always: a smaller id can be committed after a larger one was
// sent. Queues that fail are passed over, and the pages behind their rows are read too,
// so that they hold up nobody else.
//
// It ends with the largest id that was there when it began. Beyond that a later page could have a row whose
// predecessor was not committed yet when an earlier page passed its place, and would overtake it.
func (r *Relay) round(ctx context.Context) (sent int, err error) {
	held, err := r.lease.hold(ctx)
	if err != nil || !held {
		return 0, err
	}
	var last uint64
	if err := r.pool.Read(ctx).Raw("SELECT COALESCE(MAX(id), 0) FROM outbox").Scan(&last).Error; err != nil {
		return 0, fmt.Errorf("read outbox: %w", err)
	}
	after := uint64(0)
	passed := map[place]bool{} // queues whose rows were passed over in this round: later ones must not overtake them
	for range pagesMax {
		var rows []row
		if err := r.pool.Read(ctx).Where("id > ? AND id <= ?", after, last).Order("id").Limit(pageRows).Find(&rows).Error; err != nil {
			return sent, fmt.Errorf("read outbox: %w", err)
		}
		confirmed := r.sendLanes(ctx, r.openLanes(rows, passed), passed)
		if err := r.delete(ctx, confirmed); err != nil {
			return sent, err
		}
		sent += len(confirmed)
		if len(rows) < pageRows || !r.lease.coversSend() {
			break
		}
		after = rows[len(rows)-1].ID
	}
	return sent, nil
}

// delete removes exactly the rows that the broker confirmed.
func (r *Relay) delete(ctx context.Context, ids []uint64) error {
	if len(ids) == 0 {
		return nil
	}
	err := r.pool.Run(ctx, func(tx dbtx.Tx) error { return dbtx.DeleteByID(tx, "outbox", ids) })
	if err != nil {
		return fmt.Errorf("%d sent rows of the outbox will be sent again: %w", len(ids), err)
	}
	return nil
}
