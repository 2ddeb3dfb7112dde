package parking

import (
	"fmt"
	"maps"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"settlement/shared/dbtx"
)

// Lock reads a message that is to be resolved and locks it. It returns ErrNotFound, or a refusal
// when the message is resolved already, or waits for a predecessor and closeGap does not say that
// the predecessor will never come.
func Lock(tx dbtx.Tx, id string, closeGap bool) (Record, error) {
	r, err := read(tx.DB().Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), id)
	if err != nil {
		return Record{}, err
	}

	switch r.State {
	case Parked:
	case Waiting:
		if !closeGap {
			return Record{}, NotReplayable("message %s waits for its predecessor and is done by itself after it: "+
				"replay or discard that one, or close the gap if it will never come", id)
		}
	case Replayed, Discarded, Released:
		return Record{}, refuse(CodeAlreadyResolved, "message %s is %s already", []any{id, r.State})
	}
	return r.record()
}

// Resolve ends a message that the caller has locked, and returns it as it is then.
func (k *Keeper) Resolve(tx dbtx.Tx, m Record, to State, resolution string) (Record, error) {
	return k.change(tx, m, to, resolution, nil)
}

// WaitAgain has a parked message that the caller has locked wait for its predecessor, and returns
// it as it is then. s is what it is about.
func (k *Keeper) WaitAgain(tx dbtx.Tx, m Record, s Subject) (Record, error) {
	m.Cause, m.Subject = CauseAhead, s
	return k.change(tx, m, Waiting, "", map[string]any{
		"payment_no": s.Number, "order_id": s.OrderingKey, "seq": s.Seq, "cause": CauseAhead,
		"next_try_at": gorm.Expr("NOW(6)"), "waits_since": gorm.Expr("NOW(6)"), "told_at": nil,
	})
}

func (k *Keeper) change(
	tx dbtx.Tx, m Record, to State, resolution string, more map[string]any,
) (Record, error) {
	m.State, m.Resolution, m.UpdatedAt = to, Cut(resolution, ReasonMaxLength), k.Now()
	changes := map[string]any{"state": m.State, "resolution": m.Resolution, "updated_at": m.UpdatedAt}
	maps.Copy(changes, more)

	if err := tx.DB().Model(&row{}).Where("id = ?", m.ID).Updates(changes).Error; err != nil {
		return Record{}, fmt.Errorf("resolve parked message %s: %w", m.ID, err)
	}
	return m, nil
}
