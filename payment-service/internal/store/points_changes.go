package store

import (
	"fmt"

	"settlement/payment-service/internal/fence"
	"settlement/shared/dbtx"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

// PointsChanges returns the resolver that does what kept messages of the topic points ask for.
func (s *Store) PointsChanges() parking.Resolver { return pointsChanges{s} }

type pointsChanges struct{ *Store }

// Wake is called after a commit. There is nothing to wake: a change of points has no outcome to
// send.
func (p pointsChanges) Wake() {}

// Subject is what a change of points is about.
func (p pointsChanges) Subject(payload []byte) (parking.Subject, error) {
	c, err := settlement.ParsePointsChange(payload)
	return PointsSubject(c), err
}

// Replay applies one change, in its customer's sequence.
func (p pointsChanges) Replay(tx dbtx.Tx, m parking.Record, closeGap bool) (parking.State, string, error) {
	c, err := settlement.ParsePointsChange(m.Payload)
	if err != nil {
		return "", "", parking.NotReplayable("%s", err)
	}
	b := newPointsBatch(p.now(), p.keeper)
	b.resolving = m.ID
	if err := b.lock(tx, []ReceivedPoints{{Message: c, Delivery: m.Delivery()}}); err != nil {
		return "", "", err
	}

	if first, known := b.known[c.PointsNo]; known {
		if difference := pointsDiffer(c, first); difference != "" {
			return "", "", parking.NotReplayable("its number belongs to another change of points: %s",
				difference)
		}
		return parking.Replayed, "applied before: nothing changed", nil
	}
	if rival := b.rival(c); rival != "" {
		return "", "", parking.NotReplayable("%s", rival)
	}
	if closeGap {
		if err := b.closeGap(c); err != nil {
			return "", "", err
		}
	}

	switch fence.Compare(c.Seq, b.lastSeq(c.CustomerID)) {
	case fence.Stale:
		return "", "", parking.NotReplayable("seq %d of customer %s was taken by another number, or passed over",
			c.Seq, c.CustomerID)
	case fence.Ahead:
		b.touched[c.CustomerID] = true
		return parking.Waiting, "", b.write(tx)
	case fence.Due:
	}

	b.apply(c)
	if err := b.write(tx); err != nil {
		return "", "", err
	}
	return parking.Replayed, "applied", b.release(tx)
}

// Discard passes a change over: its place counts as taken, and its successors go on. A change whose
// number or place is taken could never take effect: for it, nothing changes.
func (p pointsChanges) Discard(tx dbtx.Tx, m parking.Record, closeGap bool) error {
	c, err := settlement.ParsePointsChange(m.Payload)
	if err != nil { // it cannot be read, so there is nothing to apply
		return nil //nolint:nilerr // that is what poison is
	}
	b := newPointsBatch(p.now(), p.keeper)
	b.resolving = m.ID
	if err := b.lock(tx, []ReceivedPoints{{Message: c, Delivery: m.Delivery()}}); err != nil {
		return err
	}

	if first, known := b.known[c.PointsNo]; known {
		if pointsDiffer(c, first) != "" {
			return nil
		}
		return parking.NotDiscardable("change of points %s was applied meanwhile: replay the message, which changes nothing",
			c.PointsNo)
	}
	if b.rival(c) != "" { // the number or the place belongs to the other record, and stays with it
		return nil
	}
	if closeGap {
		if err := b.closeGap(c); err != nil {
			return err
		}
	}

	switch balance := b.after[c.CustomerID]; fence.Compare(c.Seq, balance.LastSeq) {
	case fence.Stale:
		return nil
	case fence.Ahead:
		return parking.NotDiscardable("seq %d of customer %s has a predecessor that is not there: "+
			"replay or discard that one first, or close the gap if it will never come", c.Seq, c.CustomerID)
	case fence.Due:
		balance.LastSeq = c.Seq
		b.after[c.CustomerID] = balance
	}

	if err := b.write(tx); err != nil {
		return err
	}
	return b.release(tx)
}

// rival says which other kept record has the number or the place of a change. It returns an empty
// string when none has.
func (b *pointsBatch) rival(c settlement.PointsChange) string {
	for no, parked := range b.parked {
		if no == c.PointsNo || parked.CustomerID == c.CustomerID && parked.Seq == c.Seq {
			return fmt.Sprintf("number %s is parked for seq %d of customer %s in another record", no,
				parked.Seq, parked.CustomerID)
		}
	}
	if first, taken := b.waiting[pointsPlace(c)]; taken {
		return fmt.Sprintf("number %s waits for seq %d of customer %s already, in another record",
			first.Received.Message.PointsNo, c.Seq, c.CustomerID)
	}
	return ""
}

// closeGap moves the customer's fence to right before a change, past predecessors that will never
// come. It returns a refusal while one of those predecessors is kept here.
func (b *pointsBatch) closeGap(c settlement.PointsChange) error {
	balance := b.after[c.CustomerID]
	if c.Seq <= balance.LastSeq+1 {
		return nil
	}

	if at, w, waits := b.waiting.Before(pointsPlace(c)); waits {
		return parking.NotReplayable("seq %d of the customer waits too, as message %s: close the gap before that one",
			at.Seq, w.ID)
	}
	for no, parked := range b.parked {
		if parked.CustomerID == c.CustomerID && parked.Seq > balance.LastSeq && parked.Seq < c.Seq {
			return parking.NotReplayable("seq %d of the customer is parked under number %s: replay or discard that one first",
				parked.Seq, no)
		}
	}

	balance.LastSeq = c.Seq - 1
	b.after[c.CustomerID] = balance
	return nil
}
