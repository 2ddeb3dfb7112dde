package order

import (
	"fmt"
	"time"

	"settlement/shared/money"
	"settlement/shared/settlement"
)

// instruction is an instruction of an order that has no outcome yet.
type instruction struct {
	kind      settlement.InstructionType
	paymentNo string
	seq       int64
	amount    money.Money
}

// awaited is the instruction whose outcome comes next; ok is false when none is under way.
func (o Order) awaited() (in instruction, ok bool) {
	switch {
	case o.CancelledNo != "":
		return instruction{settlement.Settle, o.CancelledNo, o.Seq - 1, o.Amount}, true
	case o.Status == Settling:
		return instruction{settlement.Settle, o.PaymentNo, o.Seq, o.Amount}, true
	case o.Status == Refunding || o.Status == Cancelling:
		return instruction{settlement.Refund, o.PaymentNo, o.Seq, o.Asked}, true
	}
	return instruction{}, false
}

// Ahead reports whether out comes too early: it answers an instruction that the order does not have
// yet, or one whose predecessor has no outcome yet.
func (o Order) Ahead(out settlement.Outcome) bool {
	in, underWay := o.awaited()
	return out.Seq > o.Seq || underWay && out.Seq > in.seq
}

// PassOver returns a cancelled order that no longer waits for the outcome of its settle. The settle
// was passed over and will never be decided. settleNo is the settle's payment number; ok is false
// when the order does not wait for one.
func (o Order) PassOver() (after Order, settleNo string, ok bool) {
	settleNo, o.CancelledNo, o.Reason = o.CancelledNo, "", ReasonPassedOver
	return o, settleNo, settleNo != ""
}

// Apply returns the order as it is after out, and the type of the instruction that out ends. The
// error says why out does not answer the instruction whose outcome comes next: out belongs to
// another instruction, or it contradicts what was asked.
func (o Order) Apply(
	out settlement.Outcome, now time.Time,
) (after Order, of settlement.InstructionType, err error) {
	in, underWay := o.awaited()
	switch {
	case !underWay:
		return o, "", fmt.Errorf("order %s is %s at seq %d with payment %s, and waits for no outcome; this one answers seq %d with payment %s",
			o.ID, o.Status, o.Seq, o.PaymentNo, out.Seq, out.PaymentNo)
	case out.Seq != in.seq || out.PaymentNo != in.paymentNo:
		return o, "", fmt.Errorf("order %s waits for the outcome of seq %d with payment %s, this one answers seq %d with payment %s",
			o.ID, in.seq, in.paymentNo, out.Seq, out.PaymentNo)
	case out.Amount != in.amount:
		return o, "", fmt.Errorf("payment %s of order %s is of %s, the outcome of %s",
			in.paymentNo, o.ID, in.amount, out.Amount)
	}

	refunded := o.Refunded
	switch out.Type {
	case settlement.Paid:
		refunded.Minor = 0
	case settlement.Refunded:
		refunded.Minor += in.amount.Minor
	case settlement.Declined, settlement.Failed:
	}
	next, fits := o.Status.Ended(in.kind, out.Type, refunded == o.Amount)
	if !fits {
		return o, "", fmt.Errorf("order %s is %s, and %s is no outcome of the %s that it waits for",
			o.ID, o.Status, out.Type, in.kind)
	}

	cancelledInVain := o.Status == Cancelling && in.kind == settlement.Refund
	// Otherwise Reason stays: it says why the settle was not paid, and not that there was nothing
	// to refund.
	if !cancelledInVain {
		o.Reason = out.Reason
	}
	if o.CancelledNo == in.paymentNo {
		o.CancelledNo = ""
	}

	o.Status, o.Refunded, o.UpdatedAt = next, refunded, now
	return o, in.kind, nil
}
