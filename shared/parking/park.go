package parking

import (
	"context"
	"fmt"
	"time"

	"settlement/payment-service/internal/notify"
	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Books is what a lot asks of the books, in its own transaction, when an operator has decided on an instruction. An
// *idempotency.Refusal says why that cannot be.
type Books struct {
	// Settle decides the instruction, unless it was, or keeps it waiting for its predecessor. It returns the state
	// that its record has then, Replayed or Waiting, and what it came to.
	Settle func(tx dbtx.Tx, in settlement.Instruction, d rocketmq.Delivery) (to State, resolution string, err error)
	// GiveUp records it as failed under its payment number, for good.
	GiveUp func(tx dbtx.Tx, in settlement.Instruction, d rocketmq.Delivery) error
	// Wake is called after a commit.
	Wake func()
}

// Lot is the place where messages are parked, in the payments database. It is safe for
// concurrent use.
type Lot struct {
	pool   *dbtx.Pool
	books  Books
	teller *notify.Teller
	now    func() time.Time
}

// NewLot makes a lot whose operators are told by teller.
func NewLot(pool *dbtx.Pool, books Books, teller *notify.Teller, now func() time.Time) *Lot {
	return &Lot{pool: pool, books: books, teller: teller, now: func() time.Time { return now().UTC().Truncate(time.Microsecond) }}
}

// Park keeps a message for an operator; parked says whether it was not kept before. The
// same delivery again changes nothing, so it may be acknowledged after Park returned a
// nil error and repeated when the acknowledgement is lost.
func (l *Lot) Park(ctx context.Context, d rocketmq.Delivery, reason string) (parked bool, err error) {
	r, err := newRow(d, Parked, reason, l.now())
	if err != nil {
		return false, err
	}
	err = l.pool.Run(ctx, func(tx dbtx.Tx) error { return l.keep(tx, r) })
	if dbtx.IsDuplicateKey(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("park message at %s queue %d offset %d: %w", d.Topic, d.Queue, d.Offset, err)
	}
	l.teller.Wake()
	return true, nil
}

// keep writes a parked message and that an operator is to be told of it.
func (l *Lot) keep(tx dbtx.Tx, r row) error {
	if err := tx.DB().Create(&r).Error; err != nil {
		return err
	}
	rec, err := r.record()
	if err != nil {
		return err
	}
	return l.teller.Write(tx, r.CreatedAt, notify.Parked{
		ID: rec.ID, OrderID: rec.OrderID, PaymentNo: rec.PaymentNo, Seq: rec.Seq, Topic: rec.Topic, Queue: rec.Queue,
		Offset: rec.Offset, MessageID: rec.MessageID, Attempts: rec.Attempts, Reason: rec.Reason,
	})
}
