package order

import (
	"fmt"
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

// Apply is the order after out, and the type of the instruction that out ends. The error says why out does not answer
// the order's latest instruction: it is of a stranger, or contradicts what was asked.
func (o Order) Apply(out settlement.Outcome, now time.Time) (after Order, of settlement.InstructionType, err error) {
	next, of, fits := o.Status.Ended(out.Type)
	switch {
	case out.Seq != o.Seq || out.PaymentNo != o.PaymentNo:
		return o, "", fmt.Errorf("order %s is at seq %d with payment %s, the outcome answers seq %d with payment %s",
			o.ID, o.Seq, o.PaymentNo, out.Seq, out.PaymentNo)
	case out.Amount != o.Amount:
		return o, "", fmt.Errorf("order %s is of %s, the outcome of %s", o.ID, o.Amount, out.Amount)
	case !fits:
		return o, "", fmt.Errorf("order %s is %s, which does not end %s", o.ID, o.Status, out.Type)
	}
	o.Status, o.Reason, o.UpdatedAt = next, out.Reason, now
	return o, of, nil
}
