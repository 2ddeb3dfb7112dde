package order

import (
	"time"

	"settlement/shared/settlement"
)

// Instruct accepts an instruction: it returns the order as it is from then on and the
// message that carries the instruction, or a *NotAllowedError.
func (o Order) Instruct(t settlement.InstructionType, paymentNo string, now time.Time) (Order, settlement.Instruction, error) {
	next, ok := o.Status.Next(t)
	if !ok || o.Seq == settlement.SeqMax {
		wanted := "settled"
		if t == settlement.Refund {
			wanted = "refunded"
		}
		return o, settlement.Instruction{}, &NotAllowedError{OrderID: o.ID, Status: o.Status, Wanted: wanted}
	}
	o.Status, o.PaymentNo, o.Reason, o.UpdatedAt = next, paymentNo, "", now
	o.Seq++
	return o, settlement.Instruction{
		Version: settlement.Version, Type: t, PaymentNo: paymentNo, OrderID: o.ID, Seq: o.Seq,
		AccountID: o.AccountID, Amount: o.Amount, RequestedAt: now,
	}, nil
}

// Apply is the order after out, and the type of the instruction that out ends. ok is
// false when out does not answer the order's latest instruction: a late repeat, or a
// message that this service never asked for.
func (o Order) Apply(out settlement.Outcome, now time.Time) (after Order, of settlement.InstructionType, ok bool) {
	next, of, ok := o.Status.Ended(out.Type)
	if !ok || out.PaymentNo != o.PaymentNo || out.Seq != o.Seq {
		return o, "", false
	}
	o.Status, o.Reason, o.UpdatedAt = next, out.Reason, now
	return o, of, true
}
