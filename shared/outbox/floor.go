package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// insertSettles is more than an INSERT takes from being given its id to having its row in the index. It is longer
// than dbtx lets a transaction live; how long the transaction stays open after that INSERT does not matter.
const insertSettles = 20 * time.Second

// floor is an id that no row of a lane has or is below, and none will be: reads begin above it. While an old snapshot
// is open (a backup, a forgotten session) the server keeps every deleted row, and each read that began at 0 would walk
// over all of them.
//
// The largest id seen is no such floor: a smaller one can be committed later, and a successor of it above the floor
// would overtake it. So a floor is what was seen insertSettles ago, less what is there now, committed or not.
type floor struct {
	id       uint64
	newest   uint64 // the largest id seen
	mark     uint64 // what it was at markedAt
	markedAt time.Time
}

// due reports whether it is time to raise the floor.
func (f floor) due(settles time.Duration) bool {
	return f.newest > 0 && time.Since(f.markedAt) >= settles
}

// raise moves the floor of a round up to the oldest row. It looks from 0: a floor that was wrong, as after the table
// was restored or emptied and its ids began anew, does not hide rows for longer.
func (r *Relay) raise(ctx context.Context, g *round) error {
	f, now := g.floor, time.Now()
	if f.mark > 0 {
		oldest, err := r.oldestWritten(ctx, g.lane, f.mark)
		switch {
		case err != nil:
			return err
		case oldest == 0:
			f.id = f.mark
		case oldest <= f.id:
			g.floor = floor{}
			return nil
		default:
			f.id = oldest - 1
		}
	}
	f.mark, f.markedAt = f.newest, now
	g.floor = f
	return nil
}

// oldestWritten is the smallest id up to one in a lane, of rows that are not committed too, or 0.
func (r *Relay) oldestWritten(ctx context.Context, l *lane, upTo uint64) (id uint64, err error) {
	defer r.useDatabase()()
	tx := r.pool.Read(ctx).Begin(&sql.TxOptions{Isolation: sql.LevelReadUncommitted})
	if tx.Error != nil {
		return 0, fmt.Errorf("read outbox for the oldest row: %w", tx.Error)
	}
	defer tx.Rollback() // nothing was written

	from := inLane(l.topic, l.queues, l.queue)
	err = tx.Raw("SELECT id"+lanesIndex+from.where+" AND id <= ? ORDER BY id LIMIT 1", append(from.args, upTo)...).Scan(&id).Error
	if err != nil {
		return 0, fmt.Errorf("read outbox for the oldest row: %w", err)
	}
	return id, nil
}
