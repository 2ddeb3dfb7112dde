package store

import (
	"fmt"

	"settlement/payment-service/internal/fence"
	"settlement/shared/dbtx"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

// Instructions returns the resolver that does what kept messages of the topic settlement ask for.
func (s *Store) Instructions() parking.Resolver { return instructions{s} }

type instructions struct{ *Store }

// Wake is called after a commit.
func (i instructions) Wake() { i.wake() }

// Subject is what an instruction is about.
func (i instructions) Subject(payload []byte) (parking.Subject, error) {
	in, err := settlement.ParseInstruction(payload)
	return SubjectOf(in), err
}

// Replay settles one instruction, in its order's sequence.
func (i instructions) Replay(tx dbtx.Tx, m parking.Record, closeGap bool) (parking.State, string, error) {
	in, err := settlement.ParseInstruction(m.Payload)
	if err != nil {
		return "", "", parking.NotReplayable("%s", err)
	}
	r := Received{Message: in, Delivery: m.Delivery()}
	b := i.newBatchState()
	b.resolving = m.ID

	known, err := b.lockOne(tx, r)
	if err != nil {
		return "", "", err
	}
	if known {
		return i.report(tx, b, r)
	}
	if rival := b.rival(in); rival != "" {
		return "", "", parking.NotReplayable("%s", rival)
	}
	if closeGap {
		if err := b.closeGap(in); err != nil {
			return "", "", err
		}
	}

	switch b.ledger.Fence(in) {
	case fence.Stale:
		return "", "", parking.NotReplayable("seq %d of order %s was decided under another payment number, or passed over",
			in.Seq, in.OrderID)
	case fence.Ahead:
		b.touched[in.OrderID] = struct{}{}
		return parking.Waiting, "", b.write(tx)
	case fence.Due:
	}

	if err := b.apply(in, r.Delivery); err != nil {
		return "", "", err
	}
	if err := b.write(tx); err != nil {
		return "", "", err
	}
	return parking.Replayed, string(b.summary.Decided[0].Outcome), b.release(tx)
}

// report answers the replay of an instruction that was decided before. The outcome is reported
// again: order-service may not have heard it.
func (i instructions) report(tx dbtx.Tx, b *batchState, r Received) (parking.State, string, error) {
	b.repeated(r, b.known[r.Message.PaymentNo])
	if len(b.conflicts) > 0 {
		return "", "", parking.NotReplayable("%s", b.conflicts[0].Reason)
	}
	return parking.Replayed, "settled before: nothing changed", b.write(tx)
}

// Discard records an instruction as failed, at its place in its order, and lets its successors go
// on. An instruction whose number or place is taken could never take effect: it ends without a
// trace in the books.
func (i instructions) Discard(tx dbtx.Tx, m parking.Record, closeGap bool) error {
	in, err := settlement.ParseInstruction(m.Payload)
	if err != nil { // it cannot be read, so there is nothing to settle
		return nil //nolint:nilerr // that is what poison is
	}
	r := Received{Message: in, Delivery: m.Delivery()}
	b := i.newBatchState()
	b.resolving = m.ID

	known, err := b.lockOne(tx, r)
	if err != nil {
		return err
	}
	if known {
		if differs(in, instructionOf(b.known[in.PaymentNo])) != "" {
			return nil
		}
		return parking.NotDiscardable("payment %s was decided meanwhile: replay the message, which changes nothing",
			in.PaymentNo)
	}
	if b.rival(in) != "" { // the number or the place belongs to the other record, and stays with it
		return nil
	}

	if closeGap && in.Type == settlement.Refund && b.ledger.Fence(in) == fence.Ahead {
		return parking.NotDiscardable("close the gap by replaying the refund: it finds nothing to refund, which says that its order was not paid")
	}
	if closeGap {
		if err := b.closeGap(in); err != nil {
			return err
		}
	}

	switch b.ledger.Fence(in) {
	case fence.Stale:
		return nil
	case fence.Ahead:
		return parking.NotDiscardable("seq %d of order %s has a predecessor that is not done: "+
			"replay or discard that one first, or close the gap if it will never come", in.Seq, in.OrderID)
	case fence.Due:
	}

	b.record(b.ledger.GiveUp(in, b.now), r.Delivery)
	if err := b.write(tx); err != nil {
		return err
	}
	return b.release(tx)
}

// lockOne locks the rows that one instruction is decided on, and says whether its number was
// decided before.
func (b *batchState) lockOne(tx dbtx.Tx, r Received) (known bool, err error) {
	if err := b.lock(tx, []Received{r}); err != nil {
		return false, err
	}
	if err := b.findKnown(tx, []string{r.Message.PaymentNo}); err != nil {
		return false, err
	}
	_, known = b.known[r.Message.PaymentNo]
	return known, nil
}

// rival says which other kept record has the number or the place of an instruction. It returns an
// empty string when none has. Of two records with one number, neither is decided on while the other
// is kept, unless the other was parked as a conflict.
func (b *batchState) rival(in settlement.Instruction) string {
	if kept, there := b.parked[in.PaymentNo]; there && kept.cause != parking.CauseConflict {
		return fmt.Sprintf("payment %s is parked for seq %d of order %s in another record",
			in.PaymentNo, kept.in.Seq, kept.in.OrderID)
	}
	at := placeOf(in)
	if no, claimed := b.claimed[at]; claimed {
		return fmt.Sprintf("payment %s is parked for seq %d of order %s in another record",
			no, in.Seq, in.OrderID)
	}
	if first, taken := b.successors[at]; taken {
		return fmt.Sprintf("payment %s waits for seq %d of order %s already, in another record",
			first.Received.Message.PaymentNo, in.Seq, in.OrderID)
	}
	return ""
}

// closeGap moves the order's progress to right before an instruction, past predecessors that will
// never come. It returns a refusal while one of those predecessors is kept here.
func (b *batchState) closeGap(in settlement.Instruction) error {
	last := b.ledger.LastSeq[in.OrderID]
	if in.Seq <= last+1 {
		return nil
	}

	if at, s, waits := b.successors.Before(placeOf(in)); waits {
		return parking.NotReplayable("seq %d of the order waits too, as message %s: close the gap before that one",
			at.Seq, s.ID)
	}
	for no, kept := range b.parked {
		if kept.in.OrderID == in.OrderID && kept.in.Seq > last && kept.in.Seq < in.Seq {
			return parking.NotReplayable("seq %d of the order is parked under payment %s: replay or discard that one first",
				kept.in.Seq, no)
		}
	}

	b.ledger.LastSeq[in.OrderID] = in.Seq - 1
	b.touched[in.OrderID] = struct{}{}
	return nil
}
