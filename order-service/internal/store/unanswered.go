package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"settlement/shared/dbtx"
	"settlement/shared/money"
	"settlement/shared/outbox"
	"settlement/shared/settlement"
)

const (
	// resendAfter is how long an instruction may be without an outcome before it is sent again. The
	// pause doubles with each send, up to resendPauseMax.
	resendAfter    = 30 * time.Second
	resendPauseMax = 10 * time.Minute
)

// unansweredRow is a row of unanswered_instructions.
type unansweredRow struct {
	PaymentNo   string `gorm:"primaryKey"`
	OrderID     string
	Seq         int64
	Type        settlement.InstructionType
	AccountID   string
	AmountMinor int64
	Currency    money.Currency
	RequestedAt time.Time
	Traceparent string
	Sends       int
}

func (unansweredRow) TableName() string { return "unanswered_instructions" }

func (r unansweredRow) instruction() settlement.Instruction {
	return settlement.Instruction{
		Version: settlement.Version, Type: r.Type, PaymentNo: r.PaymentNo, OrderID: r.OrderID, Seq: r.Seq,
		AccountID: r.AccountID,
		Amount:    money.Money{Currency: r.Currency, Minor: r.AmountMinor}, RequestedAt: r.RequestedAt,
	}
}

// pause is the time until an instruction that was sent this often is sent again.
func pause(sends int) time.Duration {
	p := resendAfter
	for range min(sends-1, 16) {
		p = min(2*p, resendPauseMax)
	}
	return p
}

// expectAnswer notes that an instruction is to be answered.
func expectAnswer(tx dbtx.Tx, in settlement.Instruction, traceparent string) error {
	err := tx.DB().Exec("INSERT INTO unanswered_instructions (payment_no, order_id, seq, type, account_id,"+
		" amount_minor, currency,"+
		" requested_at, traceparent, sends, next_send_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, NOW(6) +"+
		" INTERVAL ? SECOND)",
		in.PaymentNo, in.OrderID, in.Seq, in.Type, in.AccountID, in.Amount.Minor, in.Amount.Currency,
		in.RequestedAt, traceparent, int(resendAfter.Seconds())).Error
	if err != nil {
		return fmt.Errorf("note that payment %s is to be answered: %w", in.PaymentNo, err)
	}
	return nil
}

// answered forgets instructions that have their outcome, also when an older instance applied it.
func answered(tx dbtx.Tx, numbers []string) error {
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	return dbtx.DeleteByKey(tx, "unanswered_instructions", "payment_no", numbers)
}

// Resend puts into the outbox again, at most limit at a time, the instructions that have been
// without an outcome for too long, and returns how many. They keep their payment numbers and
// sequences. The broker may have lost them, or their outcomes: an instruction that was decided is
// answered again, and one that was not is decided now. An instruction that may still wait in the
// outbox was not lost, and is put off.
func (s *Store) Resend(ctx context.Context, limit int) (resent int, err error) {
	err = s.pool.Run(ctx, func(tx dbtx.Tx) error {
		resent = 0
		var due []unansweredRow
		err := tx.DB().Where("next_send_at <= NOW(6)").Order("next_send_at").Limit(limit).Find(&due).Error
		if err != nil {
			return fmt.Errorf("read unanswered instructions: %w", err)
		}

		orders := make([]string, 0, len(due))
		for _, r := range due {
			orders = append(orders, r.OrderID)
		}
		behind, err := outbox.Behind(tx, s.topics, settlement.TopicSettlement,
			s.now().Add(-resendAfter), orders...)
		if err != nil {
			return err
		}

		// Sorted like the outcomes that delete these rows, so that both lock them in one order.
		slices.SortFunc(due, func(a, b unansweredRow) int { return cmp.Compare(a.PaymentNo, b.PaymentNo) })
		for _, r := range due {
			sends := r.Sends + 1
			if behind[r.OrderID] {
				// Put off as well: if more than limit of them stayed due, nothing else would be
				// read.
				sends = r.Sends
			}

			mine, err := r.plan(tx, sends)
			if err != nil {
				return err
			}
			if !mine || behind[r.OrderID] {
				continue // answered meanwhile, sent again by another instance, or put off
			}
			if err := s.addInstruction(tx, s.now(), r.instruction(), r.Traceparent); err != nil {
				return err
			}
			resent++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("send unanswered instructions again: %w", err)
	}
	if resent > 0 {
		s.wake()
	}
	return resent, nil
}

// plan notes how often an instruction was sent and when it is sent next. mine is false when another
// instance has sent it meanwhile, or its outcome came.
func (r unansweredRow) plan(tx dbtx.Tx, sends int) (mine bool, err error) {
	res := tx.DB().Model(&unansweredRow{}).Where("payment_no = ? AND sends = ?", r.PaymentNo, r.Sends).
		Updates(map[string]any{
			"sends":        sends,
			"next_send_at": gorm.Expr("NOW(6) + INTERVAL ? SECOND", int(pause(sends).Seconds())),
		})
	if res.Error != nil {
		return false, fmt.Errorf("plan the next send of unanswered payment %s: %w", r.PaymentNo, res.Error)
	}
	return res.RowsAffected == 1, nil
}
