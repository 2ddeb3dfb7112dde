package store

import (
	"context"
	"fmt"

	"settlement/payment-service/internal/fence"
	"settlement/shared/dbtx"
	"settlement/shared/intake"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

// ReceivedPoints is a change of points as it came from the topic.
type ReceivedPoints = intake.Received[settlement.PointsChange]

// PointsApplied is what became of a batch of changes.
type PointsApplied struct {
	Changed    []settlement.PointsChange // took effect, released ones included
	Repeated   int                       // applied, waiting or parked before: they changed nothing
	Conflicts  []PointsConflict          // parked
	Waiting    int                       // kept until their predecessor is there
	Unreleased error                     // why changes that are due still wait; nil if none does
}

// PointsConflict is a change whose number, or whose place in its customer's sequence, belongs to
// another change.
type PointsConflict struct {
	ReceivedPoints
	Reason string
}

// ApplyPoints applies a batch of changes in one transaction, each change once and the changes of
// each customer in sequence. A change that comes before its predecessor waits for it in the
// database.
func (s *Store) ApplyPoints(ctx context.Context, batch []ReceivedPoints) (PointsApplied, error) {
	var b *pointsBatch
	err := s.pool.Run(ctx, func(tx dbtx.Tx) error {
		b = newPointsBatch(s.now(), s.keeper)
		if err := b.lock(tx, batch); err != nil {
			return err
		}

		for _, r := range batch {
			b.take(r)
		}

		if err := b.write(tx); err != nil {
			return err
		}
		return b.release(tx)
	})
	if err != nil {
		return PointsApplied{}, fmt.Errorf("apply %d changes of points: %w", len(batch), err)
	}

	if len(b.applied.Conflicts) > 0 {
		s.keeper.Wake()
	}
	return b.applied, nil
}

// take compares one change with the fence, and notes what becomes of it.
func (b *pointsBatch) take(r ReceivedPoints) {
	c := r.Message
	if first, known := b.known[c.PointsNo]; known {
		b.repeated(r, first)
		return
	}
	// Its number waits for an operator, and a copy waits too.
	if first, parked := b.parked[c.PointsNo]; parked {
		b.repeated(r, first)
		return
	}

	at := pointsPlace(c)
	for no, parked := range b.parked {
		// The parked one keeps its place until an operator has decided.
		if parked.CustomerID == c.CustomerID && parked.Seq == c.Seq {
			b.conflict(r, "its place is that of another number, which is parked: "+no)
			return
		}
	}

	switch fence.Compare(c.Seq, b.lastSeq(c.CustomerID)) {
	case fence.Stale:
		b.conflict(r, fmt.Sprintf("seq %d of customer %s was taken by another number, or passed over",
			c.Seq, c.CustomerID))
	case fence.Ahead:
		first, taken := b.waiting[at]
		if taken {
			b.repeated(r, first.Received.Message)
			return
		}
		b.waiting[at] = waitingPoints{Received: r}
		b.touched[c.CustomerID] = true
		b.applied.Waiting++
	case fence.Due:
		if b.hasItsPlace(r) {
			b.apply(c)
			b.applyNextOfBatch(c.CustomerID)
		}
	}
}

// hasItsPlace says whether a change that is due may be applied. The rule is that of instructions:
// see batchState.hasItsPlace.
func (b *pointsBatch) hasItsPlace(r ReceivedPoints) bool {
	at := pointsPlace(r.Message)
	first, taken := b.waiting[at]
	if !taken {
		return true
	}

	waiting := first.Received.Message
	if _, appliedElsewhere := b.known[waiting.PointsNo]; appliedElsewhere {
		return true
	}
	if difference := pointsDiffer(r.Message, waiting); difference != "" {
		b.conflict(r, "its number or its place belongs to another change of points: "+difference)
		return false
	}

	delete(b.waiting, at)
	b.released = append(b.released, first.ID)
	return true
}

// applyNextOfBatch applies the successors of a change that is applied now, as far as they came
// earlier in this batch.
func (b *pointsBatch) applyNextOfBatch(id string) {
	unrecorded := func(next waitingPoints) bool { return next.ID == "" }
	_ = b.waiting.Follow(id, b.lastSeq, unrecorded, func(next waitingPoints) error {
		b.applied.Waiting--
		b.apply(next.Received.Message)
		return nil
	})
}

// repeated takes a change whose number or place was seen before, in the change first. If the two
// differ, it is a conflict.
func (b *pointsBatch) repeated(r ReceivedPoints, first settlement.PointsChange) {
	if difference := pointsDiffer(r.Message, first); difference != "" {
		b.conflict(r, "its number or its place belongs to another change of points: "+difference)
		return
	}
	b.applied.Repeated++
}

func (b *pointsBatch) conflict(r ReceivedPoints, reason string) {
	b.conflicts = append(b.conflicts, PointsConflict{ReceivedPoints: r, Reason: reason})
}

// pointsDiffer says in what two changes differ. It returns an empty string when they are the same.
func pointsDiffer(claimed, recorded settlement.PointsChange) string {
	switch {
	case claimed.PointsNo != recorded.PointsNo:
		return fmt.Sprintf("number %s, recorded is %s", claimed.PointsNo, recorded.PointsNo)
	case claimed.CustomerID != recorded.CustomerID:
		return fmt.Sprintf("customer %s, recorded is %s", claimed.CustomerID, recorded.CustomerID)
	case claimed.Seq != recorded.Seq:
		return fmt.Sprintf("seq %d, recorded is %d", claimed.Seq, recorded.Seq)
	case claimed.Type != recorded.Type || claimed.Points != recorded.Points:
		return fmt.Sprintf("%s %d points, recorded is %s %d", claimed.Type,
			claimed.Points, recorded.Type, recorded.Points)
	}
	return ""
}

func (b *pointsBatch) apply(c settlement.PointsChange) {
	balance := b.after[c.CustomerID].Apply(c)
	b.after[c.CustomerID] = balance
	b.known[c.PointsNo] = c
	b.history = append(b.history, pointsHistoryRow{
		CustomerID: c.CustomerID, Seq: c.Seq, PointsNo: c.PointsNo, Type: c.Type, ChangeBy: c.Points,
		Points: balance.Points,
		Reason: c.Reason, OccurredAt: c.OccurredAt, CreatedAt: b.now,
	})
	b.changed = append(b.changed, c)
}

// PointsSubject is what a change of points is about.
func PointsSubject(c settlement.PointsChange) parking.Subject {
	return parking.Subject{Number: c.PointsNo, OrderingKey: c.CustomerID, Seq: c.Seq}
}
