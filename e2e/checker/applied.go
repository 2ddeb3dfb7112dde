package checker

import (
	"maps"
	"slices"
)

// end is the state that the outcomes of an order lead to.
type end struct {
	status   string
	refunded int64 // since it was last paid
	wholes   int64 // how often the whole paid amount was refunded
}

// comeTo follows the outcomes of an order. A failed refund leaves a paid order paid. Where nothing
// is left to refund, the order was cancelled before it could be paid, and it is declined.
func comeTo(steps []*movement) (e end) {
	left := int64(0)
	for _, m := range steps {
		left = m.leaves(left)
		switch m.Outcome {
		case "paid":
			e.status, e.refunded = "paid", 0
		case "refunded":
			e.refunded += m.Terms.Minor
			if left <= 0 {
				e.status = "refunded"
				e.wholes++
			}
		case "declined":
			e.status = "declined"
		case "failed":
			switch {
			case m.Type == "settle":
				e.status = "failed"
			case left <= 0:
				e.status = "declined"
			}
		}

		if m.Type == "settle" && m.Outcome != "paid" {
			e.refunded = 0
		}
	}
	return e
}

// checkApplied follows each order through what order-service applied.
func (s *state) checkApplied(f *findings) {
	for _, m := range s.reapplied {
		f.add(Double, "an outcome was applied more than once", m.OrderID,
			m.PaymentNo, "seq", m.Seq, "outcome", m.Outcome)
	}

	last := eachOrder(slices.Collect(maps.Values(s.applied)), func(orderID string, steps []*movement) {
		o, ok := s.orders[orderID]
		for i, m := range steps {
			switch {
			case !ok:
				f.add(All, "an outcome was applied to an order that is not there", orderID, m.PaymentNo,
					"seq", m.Seq, "outcome", m.Outcome)
			case m.Seq != int64(i+1):
				f.add(Order, "outcomes were not applied one for each sequence",
					orderID, m.PaymentNo, "seq", m.Seq, "expected", i+1)
			}
		}

		if !ok {
			return
		}

		end, came := steps[len(steps)-1], comeTo(steps)
		if o.underWay() == 0 && (o.Status != came.status || o.PaymentNo != end.PaymentNo) {
			f.add(All, "an order's status is not what its outcomes come to", orderID, end.PaymentNo,
				"orders.status", o.Status, "orders.seq", o.Seq,
				"orders.payment_no", o.PaymentNo, "payments.seq", end.Seq, "payments.outcome", end.Outcome,
				"want_status", came.status)
		}

		settlesAnew := o.Status == "settling" || o.CancelledNo != "" // and so begins with nothing refunded
		if o.Refunded != came.refunded && (!settlesAnew || o.Refunded != 0) {
			f.add(Money, "an order's refunded amount is not what was refunded", orderID, end.PaymentNo,
				"orders.refunded_minor", o.Refunded,
				"want", came.refunded, "orders.status", o.Status)
		}
	})

	for id, o := range s.orders {
		if last[id] != o.Seq-o.underWay() {
			f.add(Order, "outcomes were not applied up to the order's sequence", id, o.PaymentNo, "status",
				o.Status, "seq", o.Seq, "applied", last[id])
		}
		if last[id] == 0 && o.underWay() == 0 && (o.Status != "created" || o.PaymentNo != "") {
			f.add(All, "an order's status is not what its outcomes come to", id, o.PaymentNo, "orders.status",
				o.Status, "orders.seq", o.Seq)
		}
	}
}
