package parking

import (
	"context"
	"fmt"

	"gorm.io/gorm/clause"

	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/settlement"
)

// Codes of the refusals that are remembered under the idempotency key.
const (
	CodeAlreadyResolved = "parked_already_resolved"
	CodeNotReplayable   = "parked_not_replayable"
	CodeNotDiscardable  = "parked_not_discardable"
)

// Discard gives a parked message up for good; reason is kept with it. An instruction is recorded as failed under its
// payment number, so that no repeat of the message settles it, its order hears of it, and its successors go on. It
// returns ErrNotFound, or an *idempotency.Refusal with CodeAlreadyResolved, or with CodeNotDiscardable when the
// instruction was settled meanwhile or its predecessor is not done.
func (l *Lot) Discard(ctx context.Context, req idempotency.Request, id, reason string) (Record, error) {
	return l.resolve(ctx, req, id, func(tx dbtx.Tx, r row) (State, string, error) {
		in, err := settlement.ParseInstruction(r.Payload)
		if err != nil { // nothing that anybody could settle
			return Discarded, reason, nil //nolint:nilerr // that is what poison is
		}
		d, err := r.delivery()
		if err != nil {
			return "", "", err
		}
		return Discarded, reason, l.books.GiveUp(tx, in, d)
	})
}

// Replay settles a parked message; one that is ahead of its order waits from then on, and is settled behind its
// predecessor. It returns ErrNotFound, or an *idempotency.Refusal with CodeNotReplayable when the message is as
// unreadable as before, its place in the order is taken, or it waits already, or with CodeAlreadyResolved.
func (l *Lot) Replay(ctx context.Context, req idempotency.Request, id string) (Record, error) {
	return l.resolve(ctx, req, id, func(tx dbtx.Tx, r row) (State, string, error) {
		in, err := settlement.ParseInstruction(r.Payload)
		if err != nil {
			return "", "", &idempotency.Refusal{Code: CodeNotReplayable, Detail: cut(err.Error(), reasonMaxLength)}
		}
		d, err := r.delivery()
		if err != nil {
			return "", "", err
		}
		if err := l.books.Settle(tx, in, d); err != nil {
			return "", "", err
		}
		after, err := read(tx.DB(), id)
		if err != nil || after.State == Waiting {
			return Waiting, "", err
		}
		return Replayed, "settled", nil
	})
}

// resolve ends a parked message, once: of two operators one finds it resolved. What carryOut does, the new state and
// the answer under the key are one transaction.
func (l *Lot) resolve(
	ctx context.Context, req idempotency.Request, id string, carryOut func(tx dbtx.Tx, r row) (State, string, error),
) (Record, error) {
	now := l.now()
	rec, err := idempotency.Run(ctx, l.pool, req, now, func(tx dbtx.Tx) (Record, error) {
		r, err := read(tx.DB().Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), id)
		if err != nil {
			return Record{}, err
		}
		switch r.State {
		case Parked:
		case Waiting:
			return Record{}, &idempotency.Refusal{Code: CodeNotReplayable, Detail: fmt.Sprintf(
				"message %s waits for its predecessor and is settled by itself after it: replay or discard that one", id)}
		case Replayed, Discarded, Released:
			return Record{}, &idempotency.Refusal{Code: CodeAlreadyResolved, Detail: fmt.Sprintf("message %s is %s already", id, r.State)}
		}
		to, resolution, err := carryOut(tx, r)
		if err != nil {
			return Record{}, err
		}
		r.State, r.Resolution, r.UpdatedAt = to, cut(resolution, reasonMaxLength), now
		err = tx.DB().Model(&row{}).Where("id = ?", id).Select("state", "resolution", "updated_at").Updates(r).Error
		if err != nil {
			return Record{}, fmt.Errorf("resolve parked message %s: %w", id, err)
		}
		return r.record()
	})
	if err != nil {
		return Record{}, err
	}
	l.books.Wake()
	r, err := read(l.pool.Read(ctx), id)
	if err != nil {
		return Record{}, err
	}
	full, err := r.record()
	rec.Payload, rec.Properties = full.Payload, full.Properties
	return rec, err
}
