package checker

// checkAcross compares the payment numbers that payment-service decided with what order-service
// asked for and applied. It leaves aside the numbers of orders that order-service does not have:
// their instructions came from another publisher.
func (s *state) checkAcross(f *findings) {
	type placeOf struct {
		order string
		seq   int64
	}
	reasons := map[placeOf]string{}
	for _, d := range s.decided {
		reasons[placeOf{d.OrderID, d.Seq}] = d.Reason
	}

	for no, d := range s.decided {
		o, ours := s.orders[d.OrderID]
		if !ours {
			continue
		}

		a, isApplied := s.applied[no]
		reason := d.Reason
		// A cancelled order keeps the reason why it was not paid.
		if d.Type == "refund" && o.Status == "declined" {
			reason = reasons[placeOf{d.OrderID, d.Seq - 1}]
		}

		switch {
		case !isApplied:
			f.add(All, "decided, never applied to its order", d.OrderID,
				no, "seq", d.Seq, "outcome", d.Outcome,
				"orders.status", o.Status, "orders.seq", o.Seq, "orders.payment_no", o.PaymentNo)
		case a.OrderID != d.OrderID || a.Seq != d.Seq || a.Type != d.Type || a.Outcome != d.Outcome:
			f.add(All, "applied otherwise than decided", d.OrderID, no,
				"payment_numbers.seq", d.Seq, "payment_numbers.type", d.Type, "payment_numbers.outcome",
				d.Outcome,
				"payments.order_id", a.OrderID, "payments.seq", a.Seq, "payments.type", a.Type,
				"payments.outcome", a.Outcome)
		case a.Terms.Minor != d.Terms.Minor:
			f.add(Money, "applied with another amount than decided", d.OrderID, no,
				"payment_numbers", d.Terms, "payments.amount_minor", a.Terms.Minor)
		case o.PaymentNo == no && o.underWay() == 0 && o.Reason != reason:
			f.add(All, "an order's reason is not the one decided", d.OrderID, no,
				"payment_numbers.reason", reason, "orders.reason", o.Reason)
		}

		if !d.fits(o.Terms) || o.PaymentNo == no && d.Terms.Minor != o.Asked {
			f.add(Money, "decided on other terms than its order's", d.OrderID, no, "payment_numbers", d.Terms,
				"orders", o.Terms, "orders.asked_minor", o.Asked)
		}
	}

	for no, a := range s.applied {
		if _, ok := s.decided[no]; !ok {
			f.add(All, "applied in orders, never decided", a.OrderID,
				no, "seq", a.Seq, "type", a.Type, "outcome", a.Outcome)
		}
	}
}
