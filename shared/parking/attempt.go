package parking

import (
	"context"
	"fmt"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// TriesMax is how often an instruction is tried that fails for a reason nobody foresaw.
const TriesMax = 3

// attempt is delivery_attempts.
type attempt struct {
	PaymentNo string `gorm:"primaryKey"`
	OrderID   string
	Attempts  int
	LastError string
	UpdatedAt time.Time
}

func (attempt) TableName() string { return "delivery_attempts" }

// Failed counts that an instruction could not be settled and parks it when that was the last of TriesMax tries,
// both in one transaction. parked says that it is parked, now or before, and may be acknowledged; else it has to
// be tried again. It is counted by payment number: neither a restart nor a copy at another offset begins anew.
func (l *Lot) Failed(ctx context.Context, in settlement.Instruction, d rocketmq.Delivery, cause error) (parked bool, err error) {
	now := l.now()
	err = l.pool.Run(ctx, func(tx dbtx.Tx) error {
		parked = false
		tries, err := count(tx, in, cause, now)
		if err != nil || tries < TriesMax {
			return err
		}
		parked = true
		there, err := isThere(tx, in)
		if err != nil || there {
			return err
		}
		r, err := newRow(d, Parked, cause.Error(), now)
		if err != nil {
			return err
		}
		r = r.withInstruction(in)
		r.Attempts = tries
		return l.keep(tx, r)
	})
	if err != nil {
		return false, fmt.Errorf("count a failed try of payment %s: %w", in.PaymentNo, err)
	}
	if parked {
		l.teller.Wake()
	}
	return parked, nil
}

// isThere says whether an instruction is parked or waits: its acknowledgement was lost, or this is a copy of its
// message. The caller holds its row of delivery_attempts, so nobody else parks it meanwhile.
func isThere(tx dbtx.Tx, in settlement.Instruction) (bool, error) {
	var n int64
	err := tx.DB().Model(&row{}).Where("order_id = ? AND state IN ? AND payment_no = ?", in.OrderID, []State{Parked, Waiting}, in.PaymentNo).Count(&n).Error
	return n > 0, err
}

// count adds a try and returns how many there were.
func count(tx dbtx.Tx, in settlement.Instruction, cause error, now time.Time) (int, error) {
	text := cut(cause.Error(), reasonMaxLength)
	err := tx.DB().Exec("INSERT INTO delivery_attempts (payment_no, order_id, attempts, last_error, updated_at) VALUES (?, ?, 1, ?, ?)"+
		" ON DUPLICATE KEY UPDATE attempts = attempts + 1, last_error = ?, updated_at = ?",
		in.PaymentNo, in.OrderID, text, now, text, now).Error
	if err != nil {
		return 0, err
	}
	var a attempt
	err = tx.DB().Where("payment_no = ?", in.PaymentNo).Take(&a).Error
	return a.Attempts, err
}
