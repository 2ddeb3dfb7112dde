package notify

import (
	"context"
	"encoding/json"
	"fmt"

	"settlement/shared/dbtx"
)

const (
	// groupMax is how many notices are told as one at most.
	groupMax = 64
	// sameCausePauseSeconds is how long notices of a cause are gathered after one of that cause was
	// told. They are gathered, too, while a group of that cause is not taken. A fault that parks
	// hundreds of messages must not ring hundreds of telephones.
	sameCausePauseSeconds = 5
)

// gather makes groups of the notices that were not tried yet, one for each cause. A group never
// gets another member: the receiver knows a notice that is told again by its id, and would miss a
// member that joined in between.
func (t *Teller) gather(ctx context.Context, n Notifier) error {
	var causes []string
	err := t.pool.Read(ctx).Raw("SELECT DISTINCT cause_key FROM notifications"+
		" WHERE channel = ? AND told_at IS NULL AND group_id IS NULL LIMIT ?", n.Channel(), pageRows).
		Scan(&causes).Error
	if err != nil {
		return fmt.Errorf("read causes of notices: %w", err)
	}

	for _, cause := range causes {
		if err := t.pool.Run(ctx, func(tx dbtx.Tx) error {
			return gatherCause(tx,
				n.Channel(), cause)
		}); err != nil {
			return fmt.Errorf("gather notices of %q: %w", cause, err)
		}
	}
	return nil
}

func gatherCause(tx dbtx.Tx, channel, cause string) error {
	var recent int64
	err := tx.DB().Raw("SELECT COUNT(*) FROM notifications WHERE channel = ? AND cause_key = ?"+
		" AND (told_at > NOW(6) - INTERVAL ? SECOND OR (told_at IS NULL AND group_id IS NOT NULL))",
		channel, cause, sameCausePauseSeconds).Scan(&recent).Error
	if err != nil || recent > 0 {
		return err
	}

	var ids []string
	err = tx.DB().Raw("SELECT id FROM notifications WHERE channel = ? AND cause_key = ? AND told_at IS NULL"+
		" AND group_id IS NULL"+
		" ORDER BY id LIMIT ? FOR UPDATE", channel, cause, groupMax).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return err
	}
	return tx.DB().Exec("UPDATE notifications SET group_id = ? WHERE id IN ?", ids[0], ids).Error
}

// bodyOf returns the notice of the group's leader, with the number and the ids of the messages that
// it tells of.
func (t *Teller) bodyOf(ctx context.Context, d due) ([]byte, error) {
	var keys []string
	err := t.pool.Read(ctx).Raw("SELECT parked_id FROM notifications WHERE group_id = ? ORDER BY id", d.ID).
		Scan(&keys).Error
	if err != nil {
		return nil, fmt.Errorf("read the notices told by %s: %w", d.ID, err)
	}
	if len(keys) < 2 {
		return []byte(d.Body), nil
	}

	var n Notice
	if err := json.Unmarshal([]byte(d.Body), &n); err != nil {
		return nil, fmt.Errorf("notice %s: %w", d.ID, err)
	}
	n.Data.Count, n.Data.IDs = len(keys), keys
	return json.Marshal(n)
}
