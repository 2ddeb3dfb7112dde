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
		s.checkSteps(f, orderID, steps)
		if s.progress[orderID] != steps[len(steps)-1].Seq {
			f.add(Order, "an order's progress is not its last sequence", orderID, "",
				"last_seq", s.progress[orderID], "decided", steps[len(steps)-1].Seq)
		}
	})
	for id, seq := range s.progress {
		if _, ok := last[id]; !ok && seq != 0 {
			f.add(Order, "an order's progress is not its last sequence",
				id, "", "last_seq", seq, "decided", 0)
		}
	}

	givenUp := map[string]bool{} // payment numbers
	for _, p := range s.toOperator {
		if p.State == "discarded" {
			givenUp[cmp.Or(p.PaymentNo, movementIn(p.Payload).PaymentNo)] = true
		}
	}

	for _, m := range all {
		s.checkOutcome(f, m)
		justified := m.Reason == nothingToRefund || m.Reason == refundMismatch ||
			m.Reason == discarded && givenUp[m.PaymentNo]
		if m.Outcome == "failed" && !justified {
			f.add(All, "failed, and no operator has given it up", m.OrderID, m.PaymentNo, "seq", m.Seq,
				"type", m.Type, "reason", m.Reason)
		}
	}
}

// eachOrder calls each with the movements of one order, by sequence, for every order. It returns
// the last sequence of each order.
func eachOrder(movements []*movement, each func(orderID string, steps []*movement)) map[string]int64 {
	slices.SortFunc(movements, func(a, b *movement) int {
		return cmp.Or(cmp.Compare(a.OrderID, b.OrderID), cmp.Compare(a.Seq, b.Seq),
			cmp.Compare(a.PaymentNo, b.PaymentNo))
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

// checkSteps checks what was decided for one order. steps are sorted by sequence.
func (s *state) checkSteps(f *findings, orderID string, steps []*movement) {
	left := int64(0) // paid and not refunded
	for i, m := range steps {
		if m.Outcome == "paid" && left > 0 {
			f.add(Double, "an order is paid while it is paid", orderID,
				m.PaymentNo, "seq", m.Seq, "not_refunded", left)
		}
		if m.Outcome == "refunded" && left < m.Terms.Minor {
			f.add(Double, "an order is refunded more than it is paid", orderID, m.PaymentNo, "seq", m.Seq,
				"not_refunded", left, "refund", m.Terms.Minor)
		}

		left = m.leaves(left)
		if m.Outcome == "declined" && m.Reason == alreadyPaid && left <= 0 {
			f.add(All, "declined as paid already, and it was not", orderID, m.PaymentNo, "seq", m.Seq)
		}
		if m.Reason == nothingToRefund {
			s.checkNothingToRefund(f, m, steps[:i], left)
		}

		if m.Seq != int64(i+1) {
			f.add(Order, "an order's sequence has a gap or a repeat",
				orderID, m.PaymentNo, "seq", m.Seq, "expected", i+1)
		}
		// A batch writes its numbers in no order and with one time, so their ids say nothing.
		if i > 0 && m.ID < steps[i-1].ID && m.At != steps[i-1].At {
			f.add(Order, "an instruction took effect before its predecessor", orderID, m.PaymentNo, "seq",
				m.Seq, "id", m.ID, "created_at", m.At,
				"predecessor", steps[i-1].PaymentNo, "predecessor_id", steps[i-1].ID,
				"predecessor_created_at", steps[i-1].At)
		}
	}
}

// checkNothingToRefund checks a refund that found nothing to give back. order-service asks for such
// a refund only behind a settle whose outcome it does not know yet: the order was cancelled, and
// not paid.
func (s *state) checkNothingToRefund(f *findings, m *movement, before []*movement, left int64) {
	_, ours := s.orders[m.OrderID]
	cancelled := len(before) > 0 && before[len(before)-1].Type == "settle" &&
		before[len(before)-1].Outcome != "paid"
	if left > 0 || ours && !cancelled {
		f.add(All, "a refund found nothing to refund where there was something, or should be", m.OrderID,
			m.PaymentNo, "seq", m.Seq, "not_refunded", left)
	}
}

// The reasons of a failure.
const (
	nothingToRefund = "nothing_to_refund"
	refundMismatch  = "refund_mismatch"
	discarded       = "discarded" // by an operator
)

// neverMet are the reasons for refusing what order-service does not ask for: to pay an order that
// is paid, or to refund more than was paid.
var neverMet = []string{alreadyPaid, refundMismatch}

// checkOutcome looks at one decision alone: a settle ends paid, declined or failed (an operator
// gave it up), a refund refunded or failed.
func (s *state) checkOutcome(f *findings, m *movement) {
	switch m.Type + " " + m.Outcome {
	case "settle paid", "settle declined", "settle failed", "refund refunded", "refund failed":
	default:
		f.add(All, "an outcome is none that its instruction can have", m.OrderID, m.PaymentNo, "seq", m.Seq,
			"type", m.Type, "outcome", m.Outcome)
	}

	if _, ours := s.orders[m.OrderID]; ours && slices.Contains(neverMet, m.Reason) {
		f.add(All, "refused for a reason that order-service gives no occasion for", m.OrderID, m.PaymentNo,
			"seq", m.Seq, "reason", m.Reason)
	}
	if account, ok := s.accounts[m.Terms.AccountID]; ok && m.Reason == "unknown_account" &&
		account.At < m.At {
		f.add(All, "declined for want of a wallet that was there", m.OrderID, m.PaymentNo,
			"account_id", account.ID, "decided_at", m.At, "opened_at", account.At)
	}
}
