package order

import "settlement/shared/settlement"

// Status is where an order stands.
type Status string

// The statuses. Failed is final: a person has to look.
const (
	Created    Status = "created"
	Settling   Status = "settling"
	Cancelling Status = "cancelling" // a refund was asked for while it was settling
	Paid       Status = "paid"       // not refunded, or only in part
	Declined   Status = "declined"
	Refunding  Status = "refunding"
	Refunded   Status = "refunded"
	Failed     Status = "failed"
)

// Statuses lists every status.
func Statuses() []Status {
	return []Status{Created, Settling, Cancelling, Paid, Declined, Refunding, Refunded, Failed}
}

// Next is the status that an accepted instruction of type t leads to. ok is false when an order in
// status s does not take it. A declined or refunded order may be settled again. Only an order that
// is paid, or may soon be paid, may be refunded.
func (s Status) Next(t settlement.InstructionType) (next Status, ok bool) {
	switch {
	case t == settlement.Settle && (s == Created || s == Declined || s == Refunded):
		return Settling, true
	case t == settlement.Refund && s == Settling:
		return Cancelling, true
	case t == settlement.Refund && s == Paid:
		return Refunding, true
	}
	return s, false
}

// Ended is the status that the outcome of an instruction leads to. whole says that with this
// outcome all that was paid is refunded. ok is false when no instruction with such an outcome is
// under way in s.
//
// A cancelled order has two instructions under way, a settle and a refund, and their outcomes come
// in this order. When the settle is paid, the order is refunding like any other. When it is not,
// the order waits for the refund to find that there is nothing to refund.
func (s Status) Ended(
	of settlement.InstructionType, o settlement.OutcomeType, whole bool,
) (next Status, ok bool) {
	switch of {
	case settlement.Settle:
		return s.settleEnded(o)
	case settlement.Refund:
		return s.refundEnded(o, whole)
	}
	return s, false
}

func (s Status) settleEnded(o settlement.OutcomeType) (next Status, ok bool) {
	switch {
	case s == Settling && o == settlement.Paid:
		return Paid, true
	case s == Settling && o == settlement.Declined:
		return Declined, true
	case s == Settling && o == settlement.Failed:
		return Failed, true
	case s == Cancelling && o == settlement.Paid:
		return Refunding, true
	case s == Cancelling && (o == settlement.Declined || o == settlement.Failed):
		return Cancelling, true
	}
	return s, false
}

// refundEnded is Ended for a refund. A refund that failed, because an operator discarded it, leaves
// the order paid. It can be asked for again.
func (s Status) refundEnded(o settlement.OutcomeType, whole bool) (next Status, ok bool) {
	switch {
	case s == Refunding && o == settlement.Refunded && whole:
		return Refunded, true
	case s == Refunding && (o == settlement.Refunded || o == settlement.Failed):
		return Paid, true
	case s == Cancelling && o == settlement.Failed:
		return Declined, true
	}
	return s, false
}
