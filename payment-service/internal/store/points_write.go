package store

import (
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"

	"settlement/shared/dbtx"
	"settlement/shared/parking"
)

// write stores what was taken since it was called last: history, balances, changes that wait,
// conflicts, and which changes wait no more.
func (b *pointsBatch) write(tx dbtx.Tx) error {
	steps := []func(dbtx.Tx) error{b.writeHistory, b.writeBalances, b.writeWaiting, b.writeConflicts}
	for _, step := range steps {
		if err := step(tx); err != nil {
			return err
		}
	}
	if err := b.keeper.Release(tx, b.released); err != nil {
		return err
	}

	b.applied.Changed = append(b.applied.Changed, b.changed...)
	b.applied.Conflicts = append(b.applied.Conflicts, b.conflicts...)
	b.history, b.changed, b.conflicts, b.released = nil, nil, nil, nil
	clear(b.touched)
	maps.Copy(b.before, b.after)
	return nil
}

func (b *pointsBatch) writeHistory(tx dbtx.Tx) error {
	if len(b.history) == 0 {
		return nil
	}
	err := tx.DB().Create(&b.history).Error
	if dbtx.IsDuplicateKey(err) {
		// Another writer was first with one of the numbers: the next run finds it.
		return dbtx.Again("duplicate_key", err)
	}
	if err != nil {
		return fmt.Errorf("insert %d changes of points: %w", len(b.history), err)
	}
	return nil
}

func (b *pointsBatch) writeBalances(tx dbtx.Tx) error {
	for _, id := range slices.Sorted(maps.Keys(b.after)) {
		before, after := b.before[id], b.after[id]
		changes := map[string]any{"points": after.Points, "last_seq": after.LastSeq}
		switch {
		case before != after:
		case b.touched[id]:
			changes = map[string]any{"waits": gorm.Expr("waits + 1")} // a real change, see writeProgress
		default:
			continue
		}

		res := tx.DB().Model(&pointsBalanceRow{}).
			Where("customer_id = ? AND last_seq = ?", id, before.LastSeq).Updates(changes)
		if res.Error != nil {
			return fmt.Errorf("update points of customer %s: %w", id, res.Error)
		}
		if res.RowsAffected != 1 {
			return fmt.Errorf("points of customer %s changed under their lock: %d rows have last_seq %d", id,
				res.RowsAffected, before.LastSeq)
		}
	}
	return nil
}

func (b *pointsBatch) writeWaiting(tx dbtx.Tx) error {
	for _, at := range b.waiting.Unrecorded() {
		w := b.waiting[at]
		id, err := b.keeper.Wait(tx, w.Received.Delivery, PointsSubject(w.Received.Message),
			fmt.Sprintf("the predecessor of seq %d is not there", at.Seq))
		if err != nil {
			return err
		}
		w.ID, w.New = id, true
		b.waiting[at] = w
	}
	return nil
}

func (b *pointsBatch) writeConflicts(tx dbtx.Tx) error {
	for _, c := range b.conflicts {
		_, err := b.keeper.Park(tx, c.Delivery, PointsSubject(c.Message), parking.CauseConflict, c.Reason)
		if err != nil {
			return fmt.Errorf("park change of points %s, which is in conflict: %w", c.Message.PointsNo, err)
		}
	}
	return nil
}
