package order

import (
	"time"

	"settlement/shared/money"
	"settlement/shared/settlement"
)

// Settle accepts the settling of the order: it returns the order as it is from then on and the
// message that carries the instruction, or a *NotAllowedError.
func (o Order) Settle(paymentNo string, now time.Time) (Order, settlement.Instruction, error) {
	next, ok := o.Status.Next(settlement.Settle)
	if !ok || o.Seq == settlement.SeqMax {
		return o, settlement.Instruction{},
			&NotAllowedError{OrderID: o.ID, Status: o.Status, Wanted: "settled"}
	}
	o.Refunded.Minor = 0
	return o.instruct(settlement.Settle, next, o.Amount, paymentNo, now)
}

// Refund accepts the refund of amount, or of all that is left of what was paid when amount is nil.
// It returns what Settle returns, or a *RefundAmountError. The refund of an order that is settling
// cancels it: all of it is refunded, if it is paid at all.
func (o Order) Refund(
	amount *money.Money, paymentNo string, now time.Time,
) (Order, settlement.Instruction, error) {
	next, ok := o.Status.Next(settlement.Refund)
	if !ok || o.Seq == settlement.SeqMax {
		return o, settlement.Instruction{},
			&NotAllowedError{OrderID: o.ID, Status: o.Status, Wanted: "refunded"}
	}

	left := money.Money{Currency: o.Amount.Currency, Minor: o.Amount.Minor - o.Refunded.Minor}
	asked := left
	if amount != nil {
		asked = *amount
	}
	if asked.Currency != left.Currency || asked.Minor < 1 ||
		asked.Minor > left.Minor || next == Cancelling && asked != left {
		return o, settlement.Instruction{},
			&RefundAmountError{OrderID: o.ID, Status: o.Status, Asked: asked, Left: left}
	}

	if next == Cancelling {
		o.CancelledNo = o.PaymentNo
	}
	return o.instruct(settlement.Refund, next, asked, paymentNo, now)
}

func (o Order) instruct(
	t settlement.InstructionType, next Status, amount money.Money, paymentNo string, now time.Time,
) (Order, settlement.Instruction, error) {
	o.Status, o.PaymentNo, o.Asked, o.Reason, o.UpdatedAt = next, paymentNo, amount, "", now
	o.Seq++
	return o, settlement.Instruction{
		Version: settlement.Version, Type: t, PaymentNo: paymentNo, OrderID: o.ID, Seq: o.Seq,
		AccountID: o.AccountID, Amount: amount, RequestedAt: now,
	}, nil
}
