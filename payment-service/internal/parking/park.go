package parking

import (
	"context"
	"fmt"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Resolve carries out in tx what an operator decided on an instruction. An *idempotency.Refusal
// says why that cannot be.
type Resolve func(tx dbtx.Tx, in settlement.Instruction, d rocketmq.Delivery) error

// Books is what a lot asks of the books.
type Books struct {
	Settle Resolve // decides the instruction, unless it was, or keeps it waiting for its predecessor
	GiveUp Resolve // records it as failed under its payment number, for good
	Wake   func()  // is called after a commit
}

// Lot is the place where messages are parked, in the payments database. It is safe for
// concurrent use.
type Lot struct {
	pool  *dbtx.Pool
	books Books
	now   func() time.Time
}

// NewLot makes a lot.
func NewLot(pool *dbtx.Pool, books Books, now func() time.Time) *Lot {
	return &Lot{pool: pool, books: books, now: func() time.Time { return now().UTC().Truncate(time.Microsecond) }}
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
