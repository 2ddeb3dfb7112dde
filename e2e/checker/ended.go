package checker

// checkEnded looks for accepted instructions that neither took effect nor wait where an
// operator sees them.
func (s *state) checkEnded(f *findings) {
	stuck := s.stuckOrders()
	for no, a := range s.accepted {
		o, there := s.orders[a.OrderID]
		d, isDecided := s.decided[no]
		switch {
		case !there:
			f.add(Lost, "accepted, and its order is gone", a.OrderID, no, "seq", a.Seq)
		case a.Seq > o.Seq || a.Seq == o.Seq && no != o.PaymentNo:
			f.add(Lost, "accepted, and its order does not know it", a.OrderID, no, "seq", a.Seq,
				"orders.seq", o.Seq, "orders.payment_no", o.PaymentNo, "orders.status", o.Status)
		case isDecided && (d.OrderID != a.OrderID || d.Seq != a.Seq):
			f.add(Lost, "decided as another instruction than was accepted", a.OrderID, no, "seq", a.Seq,
				"payment_numbers.order_id", d.OrderID, "payment_numbers.seq", d.Seq)
		case !isDecided && !s.visible(stuck, no, a.OrderID, a.Seq):
			f.add(Lost, "accepted, never decided", a.OrderID, no, "seq", a.Seq, "orders.status", o.Status)
		}
	}

	for id, o := range s.orders {
		waits := map[string]int64{} // sequences of the instructions without an outcome, by payment number
		switch o.underWay() {
		case 2:
			waits[o.PaymentNo], waits[o.CancelledNo] = o.Seq, o.Seq-1
		case 1:
			waits[o.PaymentNo] = o.Seq
		}

		for no, seq := range waits {
			if _, isDecided := s.decided[no]; isDecided || !s.visible(stuck, no, id, seq) {
				f.add(Lost, "an order's instruction has not ended", id, no, "status", o.Status, "seq", seq)
			}
		}
	}
}

// checkWaiting looks for messages and instructions that should not wait any more, and for
// instructions that were marked as settled and are not.
func (s *state) checkWaiting(f *findings) {
	for _, o := range s.outbox {
		f.add(Lost, "a message waits in the outbox", o.OrderID,
			o.PaymentNo, "id", o.ID, "topic", o.Topic, "created_at", o.At)
	}

	for no, w := range s.waiting {
		if last := s.progress[w.OrderID]; last >= w.Seq-1 {
			f.add(Lost, "an instruction waits, and its predecessor is done",
				w.OrderID, no, "seq", w.Seq, "last_seq", last)
		}
	}

	for _, m := range s.markedDone {
		if _, isDecided := s.decided[m.PaymentNo]; !isDecided {
			f.add(Lost, "an instruction was marked as settled, and is not",
				m.OrderID, m.PaymentNo, "seq", m.Seq)
		}
	}
}

// triesWanted is how often an instruction is tried before it is parked.
const triesWanted = 3

// checkParked looks for parked messages with a notice that is missing or was not told, and for
// instructions that were parked too early.
func (s *state) checkParked(f *findings) {
	for _, p := range s.toOperator {
		n := s.notices[p.ID]
		switch {
		case n.Told+n.Waiting == 0:
			f.add(Lost, "a message is parked, and nobody is to be told", p.OrderID, p.PaymentNo,
				"parked_messages.id", p.ID, "state", p.State)
		case n.Waiting > 0:
			f.add(Lost, "a message is parked, and somebody was not told",
				p.OrderID, p.PaymentNo, "parked_messages.id", p.ID,
				"state", p.State, "notifications.last_error", n.LastError)
		}

		if p.Cause == "failed" && p.Attempts < triesWanted {
			f.add(Lost, "an instruction was parked before it was tried three times", p.OrderID, p.PaymentNo,
				"parked_messages.id", p.ID, "attempts", p.Attempts)
		}
	}
}

// stuckOrders returns, by order, the smallest sequence that is parked or discarded and not decided.
func (s *state) stuckOrders() map[string]int64 {
	stuck := map[string]int64{}
	for no, p := range s.parked {
		if _, isDecided := s.decided[no]; isDecided {
			continue // a repeat that was parked holds up nothing
		}
		if seq, ok := stuck[p.OrderID]; !ok || p.Seq < seq {
			stuck[p.OrderID] = p.Seq
		}
	}
	return stuck
}

// visible reports whether an instruction is parked or discarded, or waits behind one that is.
func (s *state) visible(stuck map[string]int64, no, orderID string, seq int64) bool {
	if _, ok := s.parked[no]; ok {
		return true
	}
	_, waits := s.waiting[no]
	first, ok := stuck[orderID]
	return waits && ok && first < seq
}
