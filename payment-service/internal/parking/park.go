package parking

import (
	"context"
	"fmt"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Settle settles one instruction. It returns nil when it is decided, now or before, or
// waits for its predecessor, and an *idempotency.Refusal when it never will be.
type Settle func(ctx context.Context, in settlement.Instruction, d rocketmq.Delivery) error

// Lot is the place where messages are parked, in the payments database. It is safe for
// concurrent use.
type Lot struct {
	pool   *dbtx.Pool
	settle Settle
	now    func() time.Time
}

// NewLot makes a lot; settle is what a replay does.
func NewLot(pool *dbtx.Pool, settle Settle, now func() time.Time) *Lot {
	return &Lot{pool: pool, settle: settle, now: func() time.Time { return now().UTC().Truncate(time.Microsecond) }}
}

// Park keeps a message for an operator; parked says whether it was not kept before. The
// same delivery again changes nothing, so it may be acknowledged after Park returned a
// nil error and repeated when the acknowledgement is lost.
func (l *Lot) Park(ctx context.Context, d rocketmq.Delivery, reason string) (parked bool, err error) {
	r, err := newRow(d, Parked, reason, l.now())
	if err != nil {
		return false, err
	}
	err = l.pool.Run(ctx, func(tx dbtx.Tx) error { return tx.DB().Create(&r).Error })
	if dbtx.IsDuplicateKey(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("park message at %s queue %d offset %d: %w", d.Topic, d.Queue, d.Offset, err)
	}
	return true, nil
}
