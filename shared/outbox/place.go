package outbox

import (
	"context"
	"fmt"
	"strings"

	"settlement/shared/dbtx"
)

// placeRows is how many rows are placed in one transaction.
const placeRows = 512

// topic is a topic that a relay sends to.
type topic struct {
	name   string
	queues int
	lanes  []*lane
	paused pausing // after its rows could not be placed
}

// place moves the rows of a topic that have no queue yet, or one of another queue count, to their
// lanes, where they keep their order by id. Instances of an older release, or with another
// configuration, go on adding such rows.
func (r *Relay) place(ctx context.Context, t *topic, term int) error {
	for {
		if !r.lease.coversSend(term) {
			return errLeaseShort
		}

		var found []row
		from := strays(t.name, t.queues)
		err := r.pool.Read(ctx).Raw("SELECT id, sharding_key"+lanesIndex+from.where+" LIMIT ?",
			append(from.args, placeRows)...).Scan(&found).Error
		if err != nil {
			return fmt.Errorf("read rows of %s without a queue: %w", t.name, err)
		}
		if err := r.placeRows(ctx, t, found); err != nil {
			return err
		}
		if len(found) < placeRows {
			return nil
		}
	}
}

// placeRows finds the rows by their ids, as dbtx.DeleteByID does and for the same reason.
func (r *Relay) placeRows(ctx context.Context, t *topic, found []row) error {
	if len(found) == 0 {
		return nil
	}

	args := make([]any, 0, 2*len(found)+1)
	for _, row := range found {
		args = append(args, row.ID, QueueOf(row.ShardingKey, t.queues))
	}
	query := "UPDATE (SELECT ? AS id, ? AS queue_id" +
		strings.Repeat(" UNION ALL SELECT ?, ?", len(found)-1) + ") AS placed" +
		" STRAIGHT_JOIN outbox AS t ON t.id = placed.id SET t.queue_id = placed.queue_id, t.queues = ?"

	err := r.pool.Run(ctx, func(tx dbtx.Tx) error {
		return tx.DB().Exec(query, append(args, t.queues)...).Error
	})
	if err != nil {
		return fmt.Errorf("place %d rows of %s: %w", len(found), t.name, err)
	}
	r.log.Info("outbox relay: rows got their queue", "topic", t.name, "queues", t.queues, "rows", len(found))
	return nil
}
