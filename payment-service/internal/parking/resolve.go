package parking

import (
	"context"
	"errors"
	"fmt"

	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/settlement"
)

// Codes of the refusals that are remembered under the idempotency key.
const (
	CodeAlreadyResolved = "parked_already_resolved"
	CodeNotReplayable   = "parked_not_replayable"
)

// Discard gives a parked message up for good; reason is kept with it. It returns
// ErrNotFound, or an *idempotency.Refusal with CodeAlreadyResolved.
func (l *Lot) Discard(ctx context.Context, req idempotency.Request, id, reason string) (Record, error) {
	return l.resolve(ctx, req, id, Discarded, reason)
}

// Replay settles a parked message. It returns ErrNotFound, or an *idempotency.Refusal
// with CodeNotReplayable when the message is as unreadable as before or only waits, or
// with CodeAlreadyResolved.
func (l *Lot) Replay(ctx context.Context, req idempotency.Request, id string) (Record, error) {
	r, err := read(l.pool.Read(ctx), id)
	if err != nil {
		return Record{}, err
	}
	answered, err := idempotency.Answered(ctx, l.pool, req)
	if err != nil {
		return Record{}, err
	}
	if r.State == Parked && !answered {
		in, err := settlement.ParseInstruction(r.Payload)
		if err != nil {
			return l.refuse(ctx, req, &idempotency.Refusal{Code: CodeNotReplayable, Detail: cut(err.Error(), reasonMaxLength)})
		}
		// Settled first and marked afterwards: after a crash between the two, the next
		// replay finds the payment number and only marks.
		d, err := r.delivery()
		if err != nil {
			return Record{}, err
		}
		var refusal *idempotency.Refusal
		if err := l.settle(ctx, in, d); errors.As(err, &refusal) {
			return l.refuse(ctx, req, refusal)
		} else if err != nil {
			return Record{}, err
		}
	}
	return l.resolve(ctx, req, id, Replayed, "settled")
}

// resolve ends a parked message, once: of two operators one finds it resolved.
func (l *Lot) resolve(ctx context.Context, req idempotency.Request, id string, to State, resolution string) (Record, error) {
	now := l.now()
	rec, err := idempotency.Run(ctx, l.pool, req, now, func(tx dbtx.Tx) (Record, error) {
		res := tx.DB().Model(&row{}).Where("id = ? AND state = ?", id, Parked).
			Updates(map[string]any{"state": to, "resolution": cut(resolution, reasonMaxLength), "updated_at": now})
		if res.Error != nil {
			return Record{}, fmt.Errorf("resolve parked message %s: %w", id, res.Error)
		}
		r, err := read(tx.DB(), id)
		if err != nil {
			return Record{}, err
		}
		switch {
		case res.RowsAffected == 1:
			return r.record()
		case r.State == Waiting:
			return Record{}, &idempotency.Refusal{Code: CodeNotReplayable, Detail: fmt.Sprintf("message %s waits for its predecessor and is settled by itself after it", id)}
		}
		return Record{}, &idempotency.Refusal{Code: CodeAlreadyResolved, Detail: fmt.Sprintf("message %s is %s already", id, r.State)}
	})
	if err != nil {
		return Record{}, err
	}
	r, err := read(l.pool.Read(ctx), id)
	if err != nil {
		return Record{}, err
	}
	full, err := r.record()
	rec.Payload, rec.Properties = full.Payload, full.Properties
	return rec, err
}

func (l *Lot) refuse(ctx context.Context, req idempotency.Request, refusal *idempotency.Refusal) (Record, error) {
	return idempotency.Run(ctx, l.pool, req, l.now(), func(dbtx.Tx) (Record, error) { return Record{}, refusal })
}
