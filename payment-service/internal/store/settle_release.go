package store

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"settlement/shared/dbtx"
)

const beforeRelease = "before_release"

// release decides the instructions that wait for the next place of an order, then for the one after
// it, and so on. It comes after the batch's own writes and behind a savepoint: when a successor
// fails here, that is not its predecessor's fault. The successor then waits on, and is tried by
// itself (intake.Waiting), where its failures count against itself.
func (b *batchState) release(tx dbtx.Tx) error {
	var ready []string
	for _, order := range slices.Sorted(maps.Keys(b.before)) {
		if _, waits := b.successors[b.nextPlace(order)]; waits {
			ready = append(ready, order)
		}
	}
	if len(ready) == 0 {
		return nil
	}

	if err := tx.DB().SavePoint(beforeRelease).Error; err != nil {
		return fmt.Errorf("savepoint before the release of successors: %w", err)
	}
	before := b.summary
	err := b.releaseAll(tx, ready)
	// A duplicate key can come from another writer, or be the successor's own fault. The successor
	// is tried by itself, which shows it.
	if err == nil || dbtx.IsTransient(err) && !dbtx.IsDuplicateKey(err) {
		return err
	}

	if err := tx.DB().RollbackTo(beforeRelease).Error; err != nil {
		return fmt.Errorf("roll back the release of successors: %w", err)
	}
	b.summary = before
	b.summary.Unreleased = fmt.Errorf("release successors of %d orders: %w", len(ready), err)
	return nil
}

func (b *batchState) releaseAll(tx dbtx.Tx, orders []string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()

	for _, order := range orders {
		if err := b.releaseOrder(order); err != nil {
			return err
		}
	}
	return b.write(tx)
}

// releaseOrder decides successors until a place is empty. It stops at a successor whose payment
// number was decided elsewhere, which fills no place: that one is in conflict, and is parked when
// it is tried by itself.
func (b *batchState) releaseOrder(order string) error {
	for {
		at := b.nextPlace(order)
		next, waits := b.successors[at]
		if !waits || next.id == "" {
			return nil
		}

		in := next.received.Message
		if _, known := b.known[in.PaymentNo]; known {
			return nil
		}

		delete(b.successors, at)
		b.released = append(b.released, next.id)
		if next.now {
			b.summary.Waiting--
		} else {
			b.summary.Released++
		}
		if err := b.apply(in, next.received.Delivery); err != nil {
			return err
		}
	}
}

func (b *batchState) nextPlace(order string) place {
	return place{order, b.ledger.LastSeq[order] + 1}
}
