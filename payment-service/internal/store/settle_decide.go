package store

import (
	"settlement/payment-service/internal/fence"
	"settlement/payment-service/internal/payment"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
	"settlement/shared/traceparent"
)

// decide compares one instruction with the fence. One that is due is decided, one that is ahead
// waits, and one that is stale is looked up again later.
func (b *batchState) decide(r Received) error {
	in := r.Message
	if kept, there := b.parked[in.PaymentNo]; there {
		// A copy of an instruction that waits for an operator, and it waits too.
		if differs(in, kept.in) == "" {
			b.summary.Repeated++
			return nil
		}
		if kept.cause != parking.CauseConflict {
			b.conflict(r, "its payment number belongs to another instruction: "+differs(in, kept.in))
			return nil
		}
	}

	switch b.ledger.Fence(in) {
	case fence.Stale:
		b.behind = append(b.behind, r)
		return nil
	case fence.Ahead:
		if !b.claimedByAnother(r) {
			b.keepWaiting(r)
		}
		return nil
	case fence.Due:
	}

	if b.claimedByAnother(r) || !b.hasItsPlace(r) {
		return nil
	}

	if err := b.apply(in, r.Delivery); err != nil {
		return err
	}
	return b.applyNextOfBatch(in.OrderID)
}

// claimedByAnother says whether the place of an instruction belongs to another one that failed
// every time. That one keeps the place until an operator has decided on it, and this one is a
// conflict.
func (b *batchState) claimedByAnother(r Received) bool {
	no, claimed := b.claimed[placeOf(r.Message)]
	if !claimed || no == r.Message.PaymentNo {
		return false
	}
	b.conflict(r, "its place is that of another payment number, which is parked: "+no)
	return true
}

// hasItsPlace says whether an instruction that is due may be decided. A kept record may wait for
// its place already: that of the same instruction, which was not released with its predecessor, or
// that of another instruction, which came first.
func (b *batchState) hasItsPlace(r Received) bool {
	at := placeOf(r.Message)
	first, taken := b.successors[at]
	if !taken {
		return true
	}

	waiting := first.Received.Message
	switch _, decidedElsewhere := b.known[waiting.PaymentNo]; {
	case decidedElsewhere: // the waiting one can never have this place
		return true
	case waiting.PaymentNo != r.Message.PaymentNo:
		b.conflict(r, "another payment number waits for its place: "+waiting.PaymentNo)
		return false
	case differs(r.Message, waiting) != "":
		b.conflict(r, "its payment number belongs to another instruction: "+differs(r.Message, waiting))
		return false
	}

	delete(b.successors, at)
	b.released = append(b.released, first.ID)
	b.summary.Released++
	b.summary.Repeated++
	return true
}

// applyNextOfBatch decides the successors of an instruction that is decided now, as far as they
// came earlier in this batch.
func (b *batchState) applyNextOfBatch(order string) error {
	unrecorded := func(next successor) bool { return next.ID == "" }
	return b.successors.Follow(order, b.lastSeq, unrecorded, func(next successor) error {
		b.summary.Waiting--
		return b.apply(next.Received.Message, next.Received.Delivery)
	})
}

// keepWaiting remembers an instruction whose predecessor is missing. Its order is touched, so that
// this transaction writes the progress row. Another process that settles the predecessor right now
// collides with that write: otherwise it would not see that an instruction waits.
func (b *batchState) keepWaiting(r Received) {
	in := r.Message
	at := placeOf(in)
	first, taken := b.successors[at]
	switch {
	case !taken:
		b.successors[at] = successor{Received: r}
		b.touched[in.OrderID] = struct{}{}
		b.summary.Waiting++
	case first.Received.Message.PaymentNo != in.PaymentNo: // the first to claim a place of an order has it
		b.conflict(r, "another payment number waits for its place: "+first.Received.Message.PaymentNo)
	case differs(in, first.Received.Message) != "":
		b.conflict(r, "its payment number belongs to another instruction: "+
			differs(in, first.Received.Message))
	default:
		b.summary.Repeated++
	}
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
	b.outcomes = append(b.outcomes, Decided{Movement: m, Traceparent: traceOf(d)})
	b.touched[m.OrderID] = struct{}{}
	b.known[m.PaymentNo] = m
	b.decidedNow[m.PaymentNo] = true

	for _, e := range m.Entries() {
		if e.AccountID != payment.MerchantID {
			b.deltas[e.AccountID] += e.Amount.Minor
		}
	}
}

func traceOf(d rocketmq.Delivery) string {
	return traceparent.Or(d.Properties[traceparent.Property])
}
