package parking

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
)

// Codes of the refusals that are remembered under the idempotency key.
const (
	CodeAlreadyResolved = "parked_already_resolved"
	CodeNotReplayable   = "parked_not_replayable"
	CodeNotDiscardable  = "parked_not_discardable"
)

// NotReplayable is the refusal of a replay.
func NotReplayable(format string, args ...any) error {
	return &idempotency.Refusal{Code: CodeNotReplayable, Detail: cut(fmt.Sprintf(format, args...), ReasonMaxLength)}
}

// NotDiscardable is the refusal of a discard.
func NotDiscardable(format string, args ...any) error {
	return &idempotency.Refusal{Code: CodeNotDiscardable, Detail: cut(fmt.Sprintf(format, args...), ReasonMaxLength)}
}

// Discard gives a parked message up for good, for by.Reason. What the message asked for is recorded
// as failed under its number, so that no repeat of the message does it, the service that asked for
// it hears of it, and its successors go on. Discard returns ErrNotFound or an *idempotency.Refusal:
// CodeAlreadyResolved, or CodeNotDiscardable when the message was done meanwhile or its predecessor
// is not done.
func (l *Lot) Discard(ctx context.Context, req idempotency.Request, by Decision, id string) (Record, error) {
	return l.resolve(ctx, req, by, id, "discard", l.discard(by))
}

// TryDiscard finds out what a discard would come to now, and changes nothing. Its errors are Discard's.
func (l *Lot) TryDiscard(ctx context.Context, by Decision, id string) (Record, error) {
	return l.try(ctx, id, by, l.discard(by))
}

// Replay does what a parked message asks. A message that is ahead of its predecessor waits from
// then on, and is done behind it. When the message was done before, Replay says so and changes
// nothing. It returns ErrNotFound or an *idempotency.Refusal: CodeAlreadyResolved, or
// CodeNotReplayable when the message is as unreadable as before, its place is taken, or it waits
// already.
func (l *Lot) Replay(ctx context.Context, req idempotency.Request, by Decision, id string) (Record, error) {
	return l.resolve(ctx, req, by, id, "replay", l.replay(by.CloseGap))
}

// TryReplay finds out what a replay would come to now, and changes nothing. Its errors are Replay's.
func (l *Lot) TryReplay(ctx context.Context, by Decision, id string) (Record, error) {
	return l.try(ctx, id, by, l.replay(by.CloseGap))
}

// carryOut carries out a decision about a message that is locked. It returns the message's new
// state and the result.
type carryOut func(tx dbtx.Tx, m Record, does Resolver) (to State, resolution string, err error)

func (l *Lot) replay(closeGap bool) carryOut {
	return func(tx dbtx.Tx, m Record, does Resolver) (State, string, error) { return does.Replay(tx, m, closeGap) }
}

func (l *Lot) discard(by Decision) carryOut {
	return func(tx dbtx.Tx, m Record, does Resolver) (State, string, error) {
		return Discarded, by.Reason, does.Discard(tx, m, by.CloseGap)
	}
}

// resolve ends a parked message once; a second operator finds it resolved. The decision, the new
// state, the row of parked_audit and the answer under the key are one transaction.
func (l *Lot) resolve(ctx context.Context, req idempotency.Request, by Decision, id, action string, do carryOut) (Record, error) {
	var done *Record // stays nil when this request was answered before
	now := l.keeper.now()
	rec, err := idempotency.Run(ctx, l.pool, req, now, func(tx dbtx.Tx) (Record, error) {
		r, err := l.end(tx, id, by, do)
		if err != nil {
			return Record{}, err
		}
		if err := by.write(tx, r, action, now); err != nil {
			return Record{}, err
		}
		rec, err := r.record()
		done = &rec
		return rec, err
	})
	if err != nil {
		return Record{}, err
	}

	l.keeper.Wake()
	for _, does := range l.resolvers {
		does.Wake()
	}
	// What this run has decided is not read again after the commit: a failed read would be reported
	// as a failure of the decision, which has been carried out.
	if done != nil {
		return *done, nil
	}
	kept, err := l.Get(ctx, id)
	rec.Payload, rec.PayloadSize, rec.Properties = kept.Payload, kept.PayloadSize, kept.Properties
	return rec, err
}

// errTried rolls back a transaction that was only a try.
var errTried = errors.New("only tried: rolled back")

func (l *Lot) try(ctx context.Context, id string, by Decision, do carryOut) (Record, error) {
	var rec Record
	err := l.pool.Run(ctx, func(tx dbtx.Tx) error {
		r, err := l.end(tx, id, by, do)
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
func (l *Lot) end(tx dbtx.Tx, id string, by Decision, do carryOut) (row, error) {
	r, err := read(tx.DB().Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), id)
	if err != nil {
		return row{}, err
	}
	switch r.State {
	case Parked:
	case Waiting:
		if !by.CloseGap {
			return row{}, NotReplayable("message %s waits for its predecessor and is done by itself after it: "+
				"replay or discard that one, or close the gap if it will never come", id)
		}
	case Replayed, Discarded, Released:
		return row{}, &idempotency.Refusal{Code: CodeAlreadyResolved, Detail: fmt.Sprintf("message %s is %s already", id, r.State)}
	}

	rec, err := r.record()
	if err != nil {
		return row{}, err
	}
	does, known := l.resolvers[r.Topic]
	if !known {
		return row{}, fmt.Errorf("message %s is of topic %q, which this service does not resolve", id, r.Topic)
	}

	to, resolution, err := do(tx, rec, does)
	if err != nil {
		return row{}, err
	}
	r.State, r.Resolution, r.UpdatedAt = to, cut(resolution, ReasonMaxLength), l.keeper.now()
	changes := map[string]any{"state": r.State, "resolution": r.Resolution, "updated_at": r.UpdatedAt}
	if to == Waiting {
		s, err := does.Subject(rec.Payload) // it may have been parked by a version that could not read it
		if err != nil {
			return row{}, err
		}
		changes["payment_no"], changes["order_id"], changes["seq"] = s.Number, s.OrderingKey, s.Seq
		changes["cause"], changes["next_try_at"], changes["waits_since"] = CauseAhead, gorm.Expr("NOW(6)"), gorm.Expr("NOW(6)")
		changes["told_at"] = nil
	}

	if err := tx.DB().Model(&row{}).Where("id = ?", id).Updates(changes).Error; err != nil {
		return row{}, fmt.Errorf("resolve parked message %s: %w", id, err)
	}
	return r, nil
}
