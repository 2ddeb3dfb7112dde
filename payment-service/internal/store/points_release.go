package store

import (
	"fmt"
	"maps"
	"slices"

	"settlement/shared/dbtx"
)

// release applies the changes that wait for the next place of a customer, then for the one after
// it, and so on. Like the release of instructions it is behind a savepoint: a change that fails
// here waits on, and is tried by itself.
func (b *pointsBatch) release(tx dbtx.Tx) error {
	var ready []string
	for _, id := range slices.Sorted(maps.Keys(b.after)) {
		if _, waits := b.waiting[b.nextPlace(id)]; waits {
			ready = append(ready, id)
		}
	}
	if len(ready) == 0 {
		return nil
	}

	if err := tx.DB().SavePoint(beforeRelease).Error; err != nil {
		return fmt.Errorf("savepoint before the release of points: %w", err)
	}

	before := b.applied
	for _, id := range ready {
		b.releaseCustomer(id)
	}
	err := b.write(tx)
	if err == nil || dbtx.IsTransient(err) && !dbtx.IsDuplicateKey(err) {
		return err
	}

	b.applied = before
	if err := tx.DB().RollbackTo(beforeRelease).Error; err != nil {
		return fmt.Errorf("roll back the release of points: %w", err)
	}
	return nil
}

// releaseCustomer applies successors until a place is empty. It stops at a change whose number has
// taken effect elsewhere, which fills no place: that one is in conflict, and is parked when it is
// tried by itself.
func (b *pointsBatch) releaseCustomer(id string) {
	for {
		at := b.nextPlace(id)
		next, waits := b.waiting[at]
		if !waits || next.id == "" {
			return
		}
		if _, known := b.known[next.received.Message.PointsNo]; known {
			return
		}

		delete(b.waiting, at)
		b.released = append(b.released, next.id)
		if next.now {
			b.applied.Waiting--
		}
		b.apply(next.received.Message)
	}
}

func (b *pointsBatch) nextPlace(id string) pointsPlace {
	return pointsPlace{id, b.after[id].LastSeq + 1}
}
