package store

import (
	"fmt"
	"maps"
	"slices"

	"settlement/shared/dbtx"
)

// release decides the instructions that wait for the next place of an order, then for the one after
// it, and so on. It comes after the batch's own writes and behind a savepoint: when a successor
// fails here, that is not its predecessor's fault. The successor then waits on, and is tried by
// itself (intake.Waiting), where its failures count against itself.
func (b *batchState) release(tx dbtx.Tx) error {
	ready := b.successors.Ready(slices.Sorted(maps.Keys(b.before)), b.lastSeq)
	before := b.summary
	failed, err := releaseEach(tx, ready, b.releaseOrder, b.write)
	if failed != nil {
		b.summary = before
		b.summary.Unreleased = fmt.Errorf("release successors of %d orders: %w", len(ready), failed)
	}
	return err
}

// releaseEach releases what waits behind each of the keys, and writes it. A nil failed and a nil
// err mean that it did, or that no key was ready: see dbtx.Attempt.
func releaseEach(
	tx dbtx.Tx, ready []string, release func(key string) error, write func(dbtx.Tx) error,
) (failed, err error) {
	if len(ready) == 0 {
		return nil, nil
	}
	return dbtx.Attempt(tx, func() error {
		for _, key := range ready {
			if err := release(key); err != nil {
				return err
			}
		}
		return write(tx)
	})
}

// releaseOrder decides successors until a place is empty. It stops at a successor whose payment
// number was decided elsewhere, which fills no place: that one is in conflict, and is parked when
// it is tried by itself.
func (b *batchState) releaseOrder(order string) error {
	may := func(next successor) bool {
		_, known := b.known[next.Received.Message.PaymentNo]
		return next.ID != "" && !known
	}
	return b.successors.Follow(order, b.lastSeq, may, func(next successor) error {
		b.released = append(b.released, next.ID)
		if next.New {
			b.summary.Waiting--
		} else {
			b.summary.Released++
		}
		return b.apply(next.Received.Message, next.Received.Delivery)
	})
}

func (b *batchState) lastSeq(order string) int64 { return b.ledger.LastSeq[order] }
