package store

import (
	"settlement/shared/dbtx"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

// Outcomes does what kept messages of the topic payment-outcome ask.
func (s *Store) Outcomes() parking.Resolver { return outcomes{s} }

type outcomes struct{ *Store }

// Wake is called after a commit.
func (o outcomes) Wake() { o.wake() }

// Subject is what an outcome is about.
func (o outcomes) Subject(payload []byte) (parking.Subject, error) {
	out, err := settlement.ParseOutcome(payload)
	return SubjectOf(out), err
}

// Replay applies one outcome. One whose order, or its instruction, is not known here still waits. The only gap that can be
// closed is in front of a cancelled order's refund: its settle was passed over in payment-service, and has no outcome.
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

// passOver has the order of a refund's outcome wait no more for that of its settle. Only a refund that found nothing proves
// that the settle was not paid: one that was given up may have been behind a payment.
func (b *outcomeBatch) passOver(out settlement.Outcome) error {
	o, settleNo, waits := b.orders[out.OrderID].PassOver()
	if !waits || out.Seq != o.Seq {
		return nil
	}
	if _, here := b.kept[settleNo]; here {
		return parking.NotReplayable("the outcome of the settle before it, payment %s, is here: replay that one first", settleNo)
	}
	if out.Type != settlement.Failed || out.Reason != settlement.ReasonNothingToRefund {
		return parking.NotReplayable("the refund ended as %s (%s), which does not say that its order was not paid: "+
			"only one that found nothing to refund closes the gap before it", out.Type, out.Reason)
	}
	b.orders[o.ID] = o
	b.answered = append(b.answered, settleNo)
	return nil
}

// Discard gives an outcome up. Nothing here was done for it, so there is nothing to undo; an instruction that it was
// meant to answer is asked for again.
func (o outcomes) Discard(dbtx.Tx, parking.Record, bool) error { return nil }
