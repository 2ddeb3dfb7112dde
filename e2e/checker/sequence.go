package checker

import (
	"cmp"
	"maps"
	"slices"
)

// checkSequences follows each order through what payment-service decided.
func (s *state) checkSequences(f *findings) {
	for _, m := range s.again {
		f.add(Double, "a payment number is there more than once", m.OrderID, m.PaymentNo,
			"seq", m.Seq, "outcome", m.Outcome, "other_seq", s.decided[m.PaymentNo].Seq)
	}
	all := append(slices.Collect(maps.Values(s.decided)), s.again...)
	last := eachOrder(all, func(orderID string, steps []*movement) {
		checkSteps(f, orderID, steps)
		if s.progress[orderID] != steps[len(steps)-1].Seq {
			f.add(Order, "an order's progress is not its last sequence", orderID, "",
				"last_seq", s.progress[orderID], "decided", steps[len(steps)-1].Seq)
		}
	})
	for id, seq := range s.progress {
		if _, ok := last[id]; !ok && seq != 0 {
			f.add(Order, "an order's progress is not its last sequence", id, "", "last_seq", seq, "decided", 0)
		}
	}
	for _, m := range all {
		s.checkOutcome(f, m)
	}
}

// eachOrder calls with the movements of each order by sequence, and returns the last
// sequence of each.
func eachOrder(movements []*movement, each func(orderID string, steps []*movement)) map[string]int64 {
	slices.SortFunc(movements, func(a, b *movement) int {
		return cmp.Or(cmp.Compare(a.OrderID, b.OrderID), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.PaymentNo, b.PaymentNo))
	})
	last := map[string]int64{}
	for rest := movements; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].OrderID == rest[0].OrderID {
			n++
		}
		each(rest[0].OrderID, rest[:n])
		last[rest[0].OrderID] = rest[n-1].Seq
		rest = rest[n:]
	}
	return last
}

// checkSteps takes what was decided for one order, by sequence.
func checkSteps(f *findings, orderID string, steps []*movement) {
	standing := 0 // payments that were not refunded
	for i, m := range steps {
		switch m.Outcome {
		case "paid":
			if standing++; standing != 1 {
				f.add(Double, "an order is paid while it is paid", orderID, m.PaymentNo, "seq", m.Seq, "standing_payments", standing)
			}
		case "refunded":
			if standing--; standing != 0 {
				f.add(Double, "an order is refunded while it is not paid once", orderID, m.PaymentNo, "seq", m.Seq, "standing_payments", standing)
			}
		}
		if m.Outcome == "declined" && m.Reason == alreadyPaid && standing == 0 {
			f.add(All, "declined as paid already, and it was not", orderID, m.PaymentNo, "seq", m.Seq)
		}
		if m.Seq != int64(i+1) {
			f.add(Order, "an order's sequence has a gap or a repeat", orderID, m.PaymentNo, "seq", m.Seq, "expected", i+1)
		}
		// One batch writes its numbers in no order, all at one time.
		if i > 0 && m.ID < steps[i-1].ID && m.At != steps[i-1].At {
			f.add(Order, "an instruction took effect before its predecessor", orderID, m.PaymentNo, "seq", m.Seq, "id", m.ID, "created_at", m.At,
				"predecessor", steps[i-1].PaymentNo, "predecessor_id", steps[i-1].ID, "predecessor_created_at", steps[i-1].At)
		}
	}
}

// neverMet are refusals of what order-service does not ask for: to pay what is paid, or to refund what is not.
var neverMet = []string{"already_paid", "nothing_to_refund", "refund_mismatch"}

// checkOutcome looks at one decision alone: a settle ends paid, declined or failed (an operator
// gave it up), a refund refunded or failed.
func (s *state) checkOutcome(f *findings, m *movement) {
	switch m.Type + " " + m.Outcome {
	case "settle paid", "settle declined", "settle failed", "refund refunded", "refund failed":
	default:
		f.add(All, "an outcome is none that its instruction can have", m.OrderID, m.PaymentNo, "seq", m.Seq, "type", m.Type, "outcome", m.Outcome)
	}
	if _, ours := s.orders[m.OrderID]; ours && slices.Contains(neverMet, m.Reason) {
		f.add(All, "refused for a reason that order-service gives no occasion for", m.OrderID, m.PaymentNo, "seq", m.Seq, "reason", m.Reason)
	}
	if account, ok := s.accounts[m.Terms.AccountID]; ok && m.Reason == "unknown_account" && account.At < m.At {
		f.add(All, "declined for want of a wallet that was there", m.OrderID, m.PaymentNo,
			"account_id", account.ID, "decided_at", m.At, "opened_at", account.At)
	}
}

// checkApplied follows each order through what order-service applied.
func (s *state) checkApplied(f *findings) {
	last := eachOrder(slices.Collect(maps.Values(s.applied)), func(orderID string, steps []*movement) {
		o, ok := s.orders[orderID]
		for i, m := range steps {
			switch {
			case !ok:
				f.add(All, "an outcome was applied to an order that is not there", orderID, m.PaymentNo, "seq", m.Seq, "outcome", m.Outcome)
			case m.Seq != int64(i+1):
				f.add(Order, "outcomes were not applied one for each sequence", orderID, m.PaymentNo, "seq", m.Seq, "expected", i+1)
			}
		}
		end := steps[len(steps)-1]
		if ok && !o.underWay() && (o.Status != end.Outcome || o.PaymentNo != end.PaymentNo) {
			f.add(All, "an order's status is not its last outcome", orderID, end.PaymentNo, "orders.status", o.Status, "orders.seq", o.Seq,
				"orders.payment_no", o.PaymentNo, "payments.seq", end.Seq, "payments.outcome", end.Outcome)
		}
	})
	for id, o := range s.orders {
		ended := o.Seq
		if o.underWay() {
			ended--
		}
		if last[id] != ended {
			f.add(Order, "outcomes were not applied up to the order's sequence", id, o.PaymentNo, "status", o.Status, "seq", o.Seq, "applied", last[id])
		}
		if last[id] == 0 && !o.underWay() && (o.Status != "created" || o.PaymentNo != "") {
			f.add(All, "an order's status is not its last outcome", id, o.PaymentNo, "orders.status", o.Status, "orders.seq", o.Seq)
		}
	}
}
