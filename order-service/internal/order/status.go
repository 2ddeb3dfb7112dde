package order

import "settlement/shared/settlement"

// Status is where an order stands.
type Status string

// The statuses. Failed is final: a person has to look.
const (
	Created   Status = "created"
	Settling  Status = "settling"
	Paid      Status = "paid"
	Declined  Status = "declined"
	Refunding Status = "refunding"
	Refunded  Status = "refunded"
	Failed    Status = "failed"
)

// Statuses lists every status.
func Statuses() []Status {
	return []Status{Created, Settling, Paid, Declined, Refunding, Refunded, Failed}
}

// Next is the status that an accepted instruction of type t leads to. ok is false when
// an order in status s does not take it: a declined or refunded order may be settled
// again, and only a paid one refunded.
func (s Status) Next(t settlement.InstructionType) (next Status, ok bool) {
	switch {
	case t == settlement.Settle && (s == Created || s == Declined || s == Refunded):
		return Settling, true
	case t == settlement.Refund && s == Paid:
		return Refunding, true
	}
	return s, false
}

// Ended is the status that an outcome leads to, and the type of the instruction that
// it ends. ok is false when no instruction with such an outcome is under way in s.
func (s Status) Ended(o settlement.OutcomeType) (next Status, of settlement.InstructionType, ok bool) {
	switch {
	case s == Settling && o == settlement.Paid:
		return Paid, settlement.Settle, true
	case s == Settling && o == settlement.Declined:
		return Declined, settlement.Settle, true
	case s == Settling && o == settlement.Failed:
		return Failed, settlement.Settle, true
	case s == Refunding && o == settlement.Refunded:
		return Refunded, settlement.Refund, true
	case s == Refunding && o == settlement.Failed:
		return Failed, settlement.Refund, true
	}
	return s, "", false
}
