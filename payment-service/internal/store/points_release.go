package store

import (
	"fmt"
	"maps"
	"slices"

	"settlement/shared/dbtx"
)

// release applies the changes that wait for the next place of a customer, then for the one after
// it, and so on. As with instructions it is behind a savepoint: a change that fails here waits on,
// and is tried by itself.
func (b *pointsBatch) release(tx dbtx.Tx) error {
	ready := b.waiting.Ready(slices.Sorted(maps.Keys(b.after)), b.lastSeq)
	before := b.applied
	failed, err := releaseEach(tx, ready, b.releaseCustomer, b.write)
	if failed != nil {
		b.applied = before
		b.applied.Unreleased = fmt.Errorf("release changes of points of %d customers: %w", len(ready), failed)
	}
	return err
}

// releaseCustomer applies changes until a place is empty. It stops at a change whose number has
// taken effect elsewhere, which fills no place: that one is in conflict, and is parked when it is
// tried by itself.
func (b *pointsBatch) releaseCustomer(id string) error {
	may := func(next waitingPoints) bool {
		_, known := b.known[next.Received.Message.PointsNo]
		return next.ID != "" && !known
	}
	return b.waiting.Follow(id, b.lastSeq, may, func(next waitingPoints) error {
		b.released = append(b.released, next.ID)
		if next.New {
			b.applied.Waiting--
		}
		b.apply(next.Received.Message)
		return nil
	})
}

func (b *pointsBatch) lastSeq(customer string) int64 { return b.after[customer].LastSeq }
