package checker

// checkAcross compares the payment numbers that payment-service decided with what
// order-service asked for and applied. Decided numbers of orders that order-service does
// not have were published by somebody else, and are not its business.
func (s *state) checkAcross(f *findings) {
	for no, d := range s.decided {
		o, ours := s.orders[d.OrderID]
		if !ours {
			continue
		}
		a, isApplied := s.applied[no]
		switch {
		case !isApplied:
			f.add(All, "decided, never applied to its order", d.OrderID, no, "seq", d.Seq, "outcome", d.Outcome,
				"orders.status", o.Status, "orders.seq", o.Seq, "orders.payment_no", o.PaymentNo)
		case a.OrderID != d.OrderID || a.Seq != d.Seq || a.Type != d.Type || a.Outcome != d.Outcome:
			f.add(All, "applied otherwise than decided", d.OrderID, no,
				"payment_numbers.seq", d.Seq, "payment_numbers.type", d.Type, "payment_numbers.outcome", d.Outcome,
				"payments.order_id", a.OrderID, "payments.seq", a.Seq, "payments.type", a.Type, "payments.outcome", a.Outcome)
		case o.PaymentNo == no && !o.underWay() && o.Reason != d.Reason:
			f.add(All, "an order's reason is not the one decided", d.OrderID, no,
				"payment_numbers.reason", d.Reason, "orders.reason", o.Reason)
		}
		if d.Terms != o.Terms {
			f.add(Money, "decided on other terms than its order's", d.OrderID, no, "payment_numbers", d.Terms, "orders", o.Terms)
		}
	}
	for no, a := range s.applied {
		if _, ok := s.decided[no]; !ok {
			f.add(All, "applied in orders, never decided", a.OrderID, no, "seq", a.Seq, "type", a.Type, "outcome", a.Outcome)
		}
	}
}

// checkWallets sums up each wallet from what was asked for and decided, entries left aside:
// a mistake in how entries are written would be in every sum of them too.
func (s *state) checkWallets(f *findings) {
	type sums struct{ deposits, debits, refunds int64 }
	of := make(map[string]sums, len(s.accounts))
	for _, k := range s.paymentKeys {
		if a := k.Answer; a.isDeposit() {
			w := of[a.AccountID]
			w.deposits += a.Amount.Minor
			of[a.AccountID] = w
		}
	}
	for _, d := range s.decided {
		w := of[d.Terms.AccountID]
		switch d.Outcome {
		case "paid":
			w.debits += d.Terms.Minor
		case "refunded":
			w.refunds += d.Terms.Minor
		}
		of[d.Terms.AccountID] = w
	}
	for id, account := range s.accounts {
		if w := of[id]; account.Minor != w.deposits-w.debits+w.refunds {
			f.add(Money, "a wallet is not its deposits - debits + refunds", "", "", "account_id", id,
				"balance_minor", account.Minor, "deposits", w.deposits, "debits", w.debits, "refunds", w.refunds)
		}
	}
}
