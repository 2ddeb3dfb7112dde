package store

import (
	"fmt"

	"settlement/payment-service/internal/parking"
	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Operator are the books as an operator's decisions on parked instructions need them.
func (s *Store) Operator() parking.Books {
	return parking.Books{Settle: s.replay, GiveUp: s.giveUp, Wake: s.wake}
}

// replay settles one parked instruction. One that is ahead of its order waits from then on.
func (s *Store) replay(tx dbtx.Tx, in settlement.Instruction, d rocketmq.Delivery) (parking.State, string, error) {
	b := s.newBatchState()
	b.replayed = in.PaymentNo
	if err := b.findKnown(tx, []string{in.PaymentNo}); err != nil {
		return "", "", err
	}
	if b.known[in.PaymentNo] {
		return parking.Replayed, "settled before: nothing changed", nil
	}
	summary, err := settleIn(tx, []Received{{Instruction: in, Delivery: d}}, b)
	switch {
	case err != nil:
		return "", "", err
	case summary.Waiting > 0:
		return parking.Waiting, "", nil
	case summary.Repeated > 0:
		return "", "", notReplayable("payment %s waits for its predecessor already, in another record", in.PaymentNo)
	case len(summary.Stale) > 0:
		return "", "", notReplayable("seq %d of order %s was decided under another payment number", in.Seq, in.OrderID)
	}
	return parking.Replayed, string(summary.Decided[0].Outcome), nil // its own is the first, then come its successors
}

func notReplayable(format string, args ...any) error {
	return &idempotency.Refusal{Code: parking.CodeNotReplayable, Detail: fmt.Sprintf(format, args...)}
}

// giveUp records a parked instruction as failed, in its place of the order, and lets its successors go on.
func (s *Store) giveUp(tx dbtx.Tx, in settlement.Instruction, d rocketmq.Delivery) error {
	b := s.newBatchState()
	if err := b.findKnown(tx, []string{in.PaymentNo}); err != nil {
		return err
	}
	if b.known[in.PaymentNo] {
		return &idempotency.Refusal{Code: parking.CodeNotDiscardable, Detail: fmt.Sprintf("payment %s was decided meanwhile: replay the message, which changes nothing", in.PaymentNo)}
	}
	if err := b.lock(tx, []Received{{Instruction: in, Delivery: d}}); err != nil {
		return err
	}
	switch b.ledger.Fence(in) {
	case payment.Stale: // it could never take effect
		return nil
	case payment.Ahead:
		return &idempotency.Refusal{Code: parking.CodeNotDiscardable, Detail: fmt.Sprintf("seq %d of order %s has a predecessor that is not done: replay or discard that one first", in.Seq, in.OrderID)}
	case payment.Due:
	}
	b.record(b.ledger.GiveUp(in, b.now), d)
	if err := b.releaseSuccessors(in.OrderID); err != nil {
		return err
	}
	return b.write(tx)
}
