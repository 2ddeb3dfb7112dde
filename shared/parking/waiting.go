package parking

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/notify"
)

const (
	// tellWaitingAfter is how long a message waits before people are told of it. Usually the
	// predecessor is on its way; by then it was lost, or could not be read.
	tellWaitingAfter = 2 * time.Minute
	// waitPauseMin and waitPauseMax bound the pause between two looks at a message that waits; it
	// grows with the time that the message has waited.
	waitPauseMin = 1 * time.Second
	waitPauseMax = 1 * time.Minute
)

// DueToTry returns waiting messages that were not looked at for a while, at most limit.
func (l *Lot) DueToTry(ctx context.Context, limit int) ([]Record, error) {
	var rows []row
	err := l.pool.Read(ctx).Where("state = ? AND next_try_at <= NOW(6)", Waiting).Order("next_try_at").
		Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read waiting messages: %w", err)
	}

	due := make([]Record, 0, len(rows))
	for _, r := range rows {
		rec, err := r.record()
		if err != nil {
			return nil, err
		}
		due = append(due, rec)
	}
	return due, nil
}

// TryWaiting has does do a waiting message if its predecessor is done by now. Otherwise the message
// waits on, and after tellWaitingAfter people are told of it. The broker does not deliver an
// acknowledged message again, so TryWaiting is the way for one that no batch has released. A
// message that can never be done, because its place was taken meanwhile, is parked as a conflict.
func (l *Lot) TryWaiting(ctx context.Context, m Record, does Resolver) (State, error) {
	var state State
	err := l.pool.Run(ctx, func(tx dbtx.Tx) (err error) {
		state, err = l.tryWaiting(tx, m, does)
		return err
	})
	if err != nil {
		return "", err
	}
	if state != Waiting {
		does.Wake()
		l.keeper.Wake()
	}
	return state, nil
}

func (l *Lot) tryWaiting(tx dbtx.Tx, m Record, does Resolver) (State, error) {
	now, err := read(tx.DB().Select("id", "state"), m.ID)
	if err != nil || now.State != Waiting { // done since it was listed
		return now.State, err
	}

	to, resolution, err := does.Replay(tx, m, false)
	var refusal *idempotency.Refusal
	switch {
	case errors.As(err, &refusal):
		return Parked, l.parkConflict(tx, m, refusal.Detail)
	case err != nil:
		return "", err
	case to == Waiting:
		return Waiting, l.waitOn(tx, m)
	}

	// Compare and set, without a lock before: a settling transaction locks the fence first and this
	// row after it.
	res := tx.DB().Model(&row{}).Where("id = ? AND state = ?", m.ID, Waiting).
		Updates(map[string]any{
			"state": Released, "resolution": Cut(resolution, ReasonMaxLength), "updated_at": l.keeper.Now(),
		})
	if res.Error != nil {
		return "", fmt.Errorf("release waiting message %s: %w", m.ID, res.Error)
	}
	if res.RowsAffected != 1 {
		return "", dbtx.Again("resolved_meanwhile", fmt.Errorf("message %s waits no more", m.ID))
	}
	return Released, nil
}

func (l *Lot) parkConflict(tx dbtx.Tx, m Record, reason string) error {
	r, err := newRow(m.Delivery(), m.Subject, Parked, CauseConflict, reason, l.keeper.Now())
	if err != nil {
		return err
	}
	r.ID = m.ID
	if err := l.keeper.parkWaiting(tx, r); err != nil {
		return err
	}
	return l.keeper.tell(tx, r, notify.EventParked, r.Reason)
}

// Postpone plans the next look at a waiting message that failed, so that the others get theirs.
func (l *Lot) Postpone(ctx context.Context, m Record) error {
	err := l.pool.Run(ctx, func(tx dbtx.Tx) error {
		return tx.DB().Model(&row{}).Where("id = ? AND state = ?", m.ID, Waiting).
			Update("next_try_at", l.nextTry(m)).Error
	})
	if err != nil {
		return fmt.Errorf("postpone waiting message %s: %w", m.ID, err)
	}
	return nil
}

// nextTry is the time of the next look, by the database's clock, which is the one it is compared
// with.
func (l *Lot) nextTry(m Record) any {
	waited := l.keeper.Now().Sub(m.CreatedAt)
	pause := min(max(waited/2, waitPauseMin), waitPauseMax)
	return gorm.Expr("NOW(6) + INTERVAL ? SECOND", int(pause.Seconds()))
}

// waitOn plans the next look at a message. It has people told of a message that has waited long,
// unless they know of a parked one of its ordering key.
func (l *Lot) waitOn(tx dbtx.Tx, m Record) error {
	changes := map[string]any{"next_try_at": l.nextTry(m)}
	long, err := l.hasWaitedLong(tx, m)
	if err != nil {
		return err
	}
	if long {
		changes["told_at"] = gorm.Expr("NOW(6)")
	}
	err = tx.DB().Model(&row{}).Where("id = ? AND state = ?", m.ID, Waiting).Updates(changes).Error
	if err != nil || !long {
		return err
	}

	r, err := newRow(m.Delivery(), m.Subject, Waiting, CauseAhead, m.Reason, l.keeper.Now())
	if err != nil {
		return err
	}
	r.ID = m.ID
	return l.keeper.tell(tx, r, notify.EventWaiting, r.Reason)
}

// hasWaitedLong reports whether people have to be told of m. The time is the database's, which
// wrote waits_since.
func (l *Lot) hasWaitedLong(tx dbtx.Tx, m Record) (bool, error) {
	var n int64
	err := tx.DB().Raw("SELECT COUNT(*) FROM parked_messages m WHERE m.id = ? AND m.state = ? AND m.told_at"+
		" IS NULL"+
		" AND m.waits_since <= NOW(6) - INTERVAL ? SECOND"+
		" AND NOT EXISTS (SELECT 1 FROM parked_messages p WHERE p.order_id = m.order_id AND p.state = ? AND"+
		" p.topic = m.topic)",
		m.ID, Waiting, int(tellWaitingAfter.Seconds()), Parked).Scan(&n).Error
	if err != nil {
		return false, fmt.Errorf("ask how long message %s has waited: %w", m.ID, err)
	}
	return n > 0, nil
}
