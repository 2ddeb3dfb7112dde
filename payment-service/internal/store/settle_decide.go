package store

import (
	"settlement/payment-service/internal/parking"
	"settlement/payment-service/internal/payment"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// decide takes one instruction past the fence and, if it was due, whoever waited for it.
func (b *batchState) decide(r Received) error {
	in := r.Instruction
	if b.known[in.PaymentNo] || b.parked[in.PaymentNo] { // released in this batch already; or a copy of what waits for an operator, and so does this
		b.summary.Repeated++
		return nil
	}
	switch b.ledger.Fence(in) {
	case payment.Stale:
		b.summary.Stale = append(b.summary.Stale, in)
		return nil
	case payment.Ahead:
		b.keepWaiting(r)
		return nil
	case payment.Due:
	}
	if err := b.apply(in, r.Delivery); err != nil {
		return err
	}
	return b.releaseSuccessors(in.OrderID)
}

// releaseSuccessors decides whoever waits for the order's next place, and so on. A
// successor whose payment number was decided elsewhere ends there and fills no place.
func (b *batchState) releaseSuccessors(orderID string) error {
	for {
		at := place{orderID, b.ledger.LastSeq[orderID] + 1}
		next, ok := b.successors[at]
		if !ok {
			return nil
		}
		delete(b.successors, at)
		if next.ID != "" {
			b.released = append(b.released, next.ID)
			b.summary.Released++
		} else {
			b.summary.Waiting--
		}
		if b.known[next.Instruction.PaymentNo] {
			b.summary.Repeated++
			return nil
		}
		if err := b.apply(next.Instruction, next.Delivery); err != nil {
			return err
		}
	}
}

// keepWaiting remembers an instruction whose predecessor is missing. Its order is
// touched: writing the progress row makes it collide with a predecessor that another
// process settles right now, which else would not see that somebody waits.
func (b *batchState) keepWaiting(r Received) {
	at := place{r.Instruction.OrderID, r.Instruction.Seq}
	if first, taken := b.successors[at]; taken {
		if first.Instruction.PaymentNo == r.Instruction.PaymentNo {
			b.summary.Repeated++
		} else {
			b.summary.Stale = append(b.summary.Stale, r.Instruction) // the first to claim a place of an order has it
		}
		return
	}
	b.successors[at] = parking.Successor{Instruction: r.Instruction, Delivery: r.Delivery}
	b.touched[r.Instruction.OrderID] = struct{}{}
	b.summary.Waiting++
}

func (b *batchState) apply(in settlement.Instruction, d rocketmq.Delivery) error {
	m, err := b.ledger.Apply(in, b.now)
	if err == nil {
		b.record(m, d)
	}
	return err
}

// record notes what write has to store of a decision.
func (b *batchState) record(m payment.Movement, d rocketmq.Delivery) {
	b.outcomes = append(b.outcomes, decided{movement: m, traceparent: settlement.TraceparentOr(d.Properties[settlement.PropertyTraceparent])})
	b.touched[m.OrderID] = struct{}{}
	b.known[m.PaymentNo] = true
	for _, e := range m.Entries() {
		if e.AccountID != payment.MerchantID {
			b.deltas[e.AccountID] += e.Amount.Minor
		}
	}
	b.summary.Decided = append(b.summary.Decided, m)
}
