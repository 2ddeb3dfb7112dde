package store

import (
	"settlement/shared/dbtx"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

// Outcomes returns the resolver of the kept messages of topic payment-outcome.
func (s *Store) Outcomes() parking.Resolver { return outcomes{s} }

type outcomes struct{ *Store }

// Wake wakes the relay. It is called after a commit.
func (o outcomes) Wake() { o.wake() }

// Subject is what an outcome is about.
func (o outcomes) Subject(payload []byte) (parking.Subject, error) {
	out, err := settlement.ParseOutcome(payload)
	return SubjectOf(out), err
}

// Replay applies one outcome. The outcome still waits when its order, or the instruction that it
// answers, is not known here. The only gap that can be closed is the one in front of a cancelled
// order's refund: payment-service passed the settle over, so that the settle has no outcome.
func (o outcomes) Replay(tx dbtx.Tx, m parking.Record, closeGap bool) (parking.State, string, error) {
	out, err := settlement.ParseOutcome(m.Payload)
	if err != nil {
		return "", "", parking.NotReplayable("%s", err)
	}

	r := Received{Message: out, Delivery: m.Delivery()}
	b := &outcomeBatch{now: o.now(), store: o.Store, resolving: m.ID}
	if err := b.lock(tx, []Received{r}); err != nil {
		return "", "", err
	}

	if closeGap {
		if err := b.passOver(out); err != nil {
			return "", "", err
		}
	}
	if err := b.take(tx, r); err != nil {
		return "", "", err
	}
	if err := b.finish(tx); err != nil {
		return "", "", err
	}

	switch {
	case len(b.applied.Conflicts) > 0:
		return "", "", parking.NotReplayable("%s", b.applied.Conflicts[0].Reason)
	case b.applied.Waiting > 0:
		return parking.Waiting, "", nil
	case b.applied.Repeated > 0:
		return parking.Replayed, "applied before: nothing changed", nil
	}
	return parking.Replayed, string(out.Type), nil
}

// passOver lets the order of a refund's outcome stop waiting for the outcome of its settle. Only a
// refund that found nothing to refund proves that the settle was not paid: a discarded refund may
// have followed a paid settle.
func (b *outcomeBatch) passOver(out settlement.Outcome) error {
	o, settleNo, waits := b.orders[out.OrderID].PassOver()
	if !waits || out.Seq != o.Seq {
		return nil
	}
	if _, here := b.kept[settleNo]; here {
		return parking.NotReplayable("the outcome of the settle before it, payment %s, is here: replay that one first",
			settleNo)
	}
	if out.Type != settlement.Failed || out.Reason != settlement.ReasonNothingToRefund {
		return parking.NotReplayable("the refund ended as %s (%s), which does not say that its order was not paid: "+
			"only one that found nothing to refund closes the gap before it", out.Type, out.Reason)
	}

	b.orders[o.ID] = o
	b.answered = append(b.answered, settleNo)
	return nil
}

// Discard gives an outcome up. Nothing was done for the outcome here, so there is nothing to undo.
// The instruction that it was meant to answer is sent again.
func (o outcomes) Discard(dbtx.Tx, parking.Record, bool) error { return nil }
