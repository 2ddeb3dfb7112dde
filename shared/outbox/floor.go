package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	// insertSettles is more than an INSERT takes from being given its id to having its row in the
	// table. It is longer than dbtx lets a transaction live; how long the transaction stays open
	// after that INSERT does not matter.
	insertSettles = 15 * time.Second
	// belowEvery is how often the relay asks whether there are rows below the floor after all.
	// belowTimeout bounds that query, which walks over all deleted rows that an old snapshot keeps.
	belowEvery   = time.Minute
	belowTimeout = time.Second
)

// floor is an id such that no row has it or a smaller one, and none will: the relay looks for rows
// above it. While an old snapshot is open (a backup, a forgotten session), the server keeps every
// deleted row, and each look that began at 0 would walk over all of them.
//
// The largest id seen is no such floor: a row with a smaller id can be committed later, and its
// successor above the floor would overtake it. So the floor is the largest id that was seen
// insertSettles ago. When a row up to that id is still there, committed or not, the floor is just
// below the oldest such row.
type floor struct {
	id       uint64
	newest   uint64 // the largest id seen
	mark     uint64 // what newest was at markedAt
	markedAt time.Time
	askedAt  time.Time // when rows below were last asked for
}

// raiseFloor moves the floor up to just below the oldest row, if it is time to.
func (r *Relay) raiseFloor(ctx context.Context) error {
	f, now := &r.floor, time.Now()
	if f.newest == 0 || now.Sub(f.markedAt) < r.settles {
		return nil
	}

	if f.mark > f.id {
		oldest, err := r.oldestWritten(ctx, f.id, f.mark)
		if err != nil {
			return err
		}
		f.id = f.mark
		if oldest > 0 {
			f.id = oldest - 1
		}
	}

	f.mark, f.markedAt = f.newest, now
	if now.Sub(f.askedAt) >= r.below {
		f.askedAt = now
		r.lookBelow(ctx)
	}
	return nil
}

// lookBelow forgets a floor that does not hold, as after the table was restored or emptied and its
// ids began anew.
func (r *Relay) lookBelow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, belowTimeout)
	defer cancel()

	id, err := r.oldestWritten(ctx, 0, r.floor.id)
	switch {
	case err != nil:
		r.log.Warn("outbox relay: cannot look for rows with small ids, trying again",
			"below", r.floor.id, "error", err, "pause", belowEvery.String())
	case id > 0:
		r.log.Warn("outbox relay: a row has a smaller id than any could have, as after a restore: beginning with the first again",
			"id", id, "below", r.floor.id)
		r.floor = floor{}
	}
}

// oldestWritten returns the smallest id above after and up to upTo, or 0. It sees rows that are not
// committed, too.
func (r *Relay) oldestWritten(ctx context.Context, after, upTo uint64) (id uint64, err error) {
	tx := r.pool.Read(ctx).Begin(&sql.TxOptions{Isolation: sql.LevelReadUncommitted})
	if tx.Error != nil {
		return 0, fmt.Errorf("read the outbox's oldest row: %w", tx.Error)
	}
	defer tx.Rollback() // nothing was written

	err = tx.Raw("SELECT id FROM outbox FORCE INDEX (PRIMARY) WHERE id > ? AND id <= ? ORDER BY id LIMIT 1",
		after, upTo).Scan(&id).Error
	if err != nil {
		return 0, fmt.Errorf("read the outbox's oldest row: %w", err)
	}
	return id, nil
}
