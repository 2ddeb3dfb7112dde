package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/parking"
)

// Replay does what a parked message asks, at most once for req. Where req is nil, nobody repeats
// the request: an operator who types a command twice means it twice, and the message's state
// decides. A message that is ahead of its predecessor waits from then on, and is done behind it.
// When the message was done before, Replay says so and changes nothing. It returns
// parking.ErrNotFound or an *idempotency.Refusal: parking.CodeAlreadyResolved, or
// parking.CodeNotReplayable when the message is as unreadable as before, its place is taken, or it
// waits already.
func (d *Decisions) Replay(
	ctx context.Context, req *idempotency.Request, by Decision, id string,
) (parking.Record, error) {
	return d.decide(ctx, req, by, id, "replay", replay(by))
}

// TryReplay finds out what a replay would come to now, and changes nothing. Its errors are
// Replay's.
func (d *Decisions) TryReplay(ctx context.Context, by Decision, id string) (parking.Record, error) {
	return d.try(ctx, by, id, replay(by))
}

// Discard gives a parked message up for good, for by.Reason and at most once for req, which may be
// nil as for Replay. What the message asked for is recorded
// as failed under its number, so that no repeat of the message does it, the service that asked for
// it hears of it, and its successors go on. Discard returns parking.ErrNotFound or an
// *idempotency.Refusal: parking.CodeAlreadyResolved, or parking.CodeNotDiscardable when the message
// was done meanwhile or its predecessor is not done.
func (d *Decisions) Discard(
	ctx context.Context, req *idempotency.Request, by Decision, id string,
) (parking.Record, error) {
	return d.decide(ctx, req, by, id, "discard", discard(by))
}

// TryDiscard finds out what a discard would come to now, and changes nothing. Its errors are
// Discard's.
func (d *Decisions) TryDiscard(ctx context.Context, by Decision, id string) (parking.Record, error) {
	return d.try(ctx, by, id, discard(by))
}

// carryOut carries out a decision about a message that is locked. It returns the message's new
// state and the result.
type carryOut func(tx dbtx.Tx, m parking.Record, does parking.Resolver) (to parking.State,
	resolution string, err error)

func replay(by Decision) carryOut {
	return func(tx dbtx.Tx, m parking.Record, does parking.Resolver) (parking.State, string, error) {
		return does.Replay(tx, m, by.CloseGap)
	}
}

func discard(by Decision) carryOut {
	return func(tx dbtx.Tx, m parking.Record, does parking.Resolver) (parking.State, string, error) {
		return parking.Discarded, by.Reason, does.Discard(tx, m, by.CloseGap)
	}
}

// answer is what a decision has come to. Its JSON, which is remembered under the key, is the
// record's.
type answer struct {
	parking.Record
	now bool // not remembered: this transaction has carried the decision out
}

// decide ends a parked message once; a second operator finds it resolved. The decision, the new
// state, the row of parked_audit and the answer under the key are one transaction.
func (d *Decisions) decide(
	ctx context.Context, req *idempotency.Request, by Decision, id, action string, do carryOut,
) (parking.Record, error) {
	now := d.keeper.Now()
	a, err := once(ctx, d.pool, req, now, func(tx dbtx.Tx) (answer, error) {
		m, err := d.end(tx, by, id, do)
		if err != nil {
			return answer{}, err
		}
		return answer{Record: m, now: true}, by.write(tx, m, action, now)
	})
	if err != nil {
		return parking.Record{}, err
	}

	d.keeper.Wake()
	for _, does := range d.resolvers {
		does.Wake()
	}
	// What was decided now is not read again after the commit: a failed read would be reported as a
	// failure of the decision, which has been carried out.
	if a.now {
		return a.Record, nil
	}

	kept, err := d.lot.Get(ctx, id)
	if err != nil {
		return parking.Record{}, fmt.Errorf("the decision was carried out before; read it again: %w", err)
	}
	a.Payload, a.PayloadSize, a.Properties = kept.Payload, kept.PayloadSize, kept.Properties
	return a.Record, nil
}

// once runs change, and for a request that may be repeated at most once.
func once(
	ctx context.Context, pool *dbtx.Pool, req *idempotency.Request, now time.Time,
	change func(tx dbtx.Tx) (answer, error),
) (a answer, err error) {
	if req != nil {
		return idempotency.Run(ctx, pool, *req, now, change)
	}
	err = pool.Run(ctx, func(tx dbtx.Tx) error {
		a, err = change(tx)
		return err
	})
	return a, err
}

// errTried rolls back a transaction that was only a try.
var errTried = errors.New("only tried: rolled back")

func (d *Decisions) try(
	ctx context.Context, by Decision, id string, do carryOut,
) (m parking.Record, err error) {
	err = d.pool.Run(ctx, func(tx dbtx.Tx) error {
		if m, err = d.end(tx, by, id, do); err != nil {
			return err
		}
		return errTried
	})
	if !errors.Is(err, errTried) {
		return parking.Record{}, err
	}
	return m, nil
}

// end carries out a decision and marks the message with what it came to.
func (d *Decisions) end(tx dbtx.Tx, by Decision, id string, do carryOut) (parking.Record, error) {
	m, err := parking.Lock(tx, id, by.CloseGap)
	if err != nil {
		return parking.Record{}, err
	}
	does, err := d.resolvers.Of(m)
	if err != nil {
		return parking.Record{}, err
	}

	to, resolution, err := do(tx, m, does)
	if err != nil {
		return parking.Record{}, err
	}
	if to != parking.Waiting {
		return d.keeper.Resolve(tx, m, to, resolution)
	}
	subject, err := does.Subject(m.Payload) // it may have been parked by a version that could not read it
	if err != nil {
		return parking.Record{}, err
	}
	return d.keeper.WaitAgain(tx, m, subject)
}
