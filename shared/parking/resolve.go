package parking

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// Discard gives a parked message up for good, for by.Reason. An instruction is recorded as failed under its payment
// number, so that no repeat of the message settles it, its order hears of it, and its successors go on. It returns
// ErrNotFound, or an *idempotency.Refusal with CodeAlreadyResolved, or with CodeNotDiscardable when the instruction
// was settled meanwhile or its predecessor is not done.
func (l *Lot) Discard(ctx context.Context, req idempotency.Request, by Decision, id string) (Record, error) {
	return l.resolve(ctx, req, by, id, "discard", func(tx dbtx.Tx, r row) (State, string, error) {
		in, err := settlement.ParseInstruction(r.Payload)
		if err != nil { // nothing that anybody could settle
			return Discarded, by.Reason, nil //nolint:nilerr // that is what poison is
		}
		d, err := r.delivery()
		if err != nil {
			return "", "", err
		}
		return Discarded, by.Reason, l.books.GiveUp(tx, in, d)
	})
}

// Replay settles a parked message; one that is ahead of its order waits from then on, and is settled behind its
// predecessor. Of one that was settled before it says so, and changes nothing. It returns ErrNotFound, or an
// *idempotency.Refusal with CodeNotReplayable when the message is as unreadable as before, its place in the order is
// taken, or it waits already, or with CodeAlreadyResolved.
func (l *Lot) Replay(ctx context.Context, req idempotency.Request, by Decision, id string) (Record, error) {
	return l.resolve(ctx, req, by, id, "replay", l.replay)
}

func (l *Lot) replay(tx dbtx.Tx, r row) (State, string, error) {
	in, err := settlement.ParseInstruction(r.Payload)
	if err != nil {
		return "", "", &idempotency.Refusal{Code: CodeNotReplayable, Detail: cut(err.Error(), reasonMaxLength)}
	}
	d, err := r.delivery()
	if err != nil {
		return "", "", err
	}
	return l.books.Settle(tx, in, d)
}

// carryOut does to a parked message, under its lock, what was decided, and returns its new state and what it came to.
type carryOut func(tx dbtx.Tx, r row) (to State, resolution string, err error)

// resolve ends a parked message, once: of two operators one finds it resolved. What do does, the new state, the audit
// row and the answer under the key are one transaction.
func (l *Lot) resolve(ctx context.Context, req idempotency.Request, by Decision, id, action string, do carryOut) (Record, error) {
	now := l.now()
	rec, err := idempotency.Run(ctx, l.pool, req, now, func(tx dbtx.Tx) (Record, error) {
		r, err := end(tx, id, now, do)
		if err != nil {
			return Record{}, err
		}
		if err := by.write(tx, r, action, now); err != nil {
			return Record{}, err
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

// errTried ends a transaction that was only to find out.
var errTried = errors.New("only tried: rolled back")

// TryReplay finds out what a replay would come to now, and changes nothing. Its errors are Replay's.
func (l *Lot) TryReplay(ctx context.Context, id string) (Record, error) {
	var rec Record
	err := l.pool.Run(ctx, func(tx dbtx.Tx) error {
		r, err := end(tx, id, l.now(), l.replay)
		if err != nil {
			return err
		}
		if rec, err = r.record(); err != nil {
			return err
		}
		return errTried
	})
	if !errors.Is(err, errTried) {
		return Record{}, err
	}
	return rec, nil
}

// end carries out a decision and marks the message with what it came to.
func end(tx dbtx.Tx, id string, now time.Time, do carryOut) (row, error) {
	r, err := read(tx.DB().Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), id)
	if err != nil {
		return row{}, err
	}
	switch r.State {
	case Parked:
	case Waiting:
		return row{}, &idempotency.Refusal{Code: CodeNotReplayable, Detail: fmt.Sprintf(
			"message %s waits for its predecessor and is settled by itself after it: replay or discard that one", id)}
	case Replayed, Discarded, Released:
		return row{}, &idempotency.Refusal{Code: CodeAlreadyResolved, Detail: fmt.Sprintf("message %s is %s already", id, r.State)}
	}
	to, resolution, err := do(tx, r)
	if err != nil {
		return row{}, err
	}
	r.State, r.Resolution, r.UpdatedAt = to, cut(resolution, reasonMaxLength), now
	err = tx.DB().Model(&row{}).Where("id = ?", id).Select("state", "resolution", "updated_at").Updates(r).Error
	if err != nil {
		return row{}, fmt.Errorf("resolve parked message %s: %w", id, err)
	}
	return r, nil
}
