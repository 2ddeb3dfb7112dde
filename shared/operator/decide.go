package operator

import (
	"context"
	"errors"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/parking"
)

// Replay does what a parked message asks. A message that is ahead of its predecessor waits from
// then on, and is done behind it. When the message was done before, Replay says so and changes
// nothing. It returns parking.ErrNotFound or an *idempotency.Refusal: parking.CodeAlreadyResolved,
// or parking.CodeNotReplayable when the message is as unreadable as before, its place is taken, or
// it waits already.
func (d *Decisions) Replay(ctx context.Context, by Decision, id string) (parking.Record, error) {
	return d.decide(ctx, by, id, "replay", replay(by))
}

// TryReplay finds out what a replay would come to now, and changes nothing. Its errors are
// Replay's.
func (d *Decisions) TryReplay(ctx context.Context, by Decision, id string) (parking.Record, error) {
	return d.try(ctx, by, id, replay(by))
}

// Discard gives a parked message up for good, for by.Reason. What the message asked for is recorded
// as failed under its number, so that no repeat of the message does it, the service that asked for
// it hears of it, and its successors go on. Discard returns parking.ErrNotFound or an
// *idempotency.Refusal: parking.CodeAlreadyResolved, or parking.CodeNotDiscardable when the message
// was done meanwhile or its predecessor is not done.
func (d *Decisions) Discard(ctx context.Context, by Decision, id string) (parking.Record, error) {
	return d.decide(ctx, by, id, "discard", discard(by))
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

// decide ends a parked message once; a second operator finds it resolved. The decision, the new
// state, the row of parked_audit and the answer under the key are one transaction.
func (d *Decisions) decide(
	ctx context.Context, by Decision, id, action string, do carryOut,
) (parking.Record, error) {
	var done *parking.Record // stays nil when this request was answered before
	now := d.keeper.Now()
	change := func(tx dbtx.Tx) (parking.Record, error) {
		m, err := d.end(tx, by, id, do)
		if err != nil {
			return parking.Record{}, err
		}
		done = &m
		return m, by.write(tx, m, action, now)
	}

	answer, err := by.once(ctx, d.pool, now, change)
	if err != nil {
		return parking.Record{}, err
	}
	d.keeper.Wake()
	for _, does := range d.resolvers {
		does.Wake()
	}

	// What this run has decided is not read again after the commit: a failed read would be reported
	// as a failure of the decision, which has been carried out.
	if done != nil {
		return *done, nil
	}
	kept, err := d.lot.Get(ctx, id)
	answer.Payload, answer.PayloadSize, answer.Properties = kept.Payload, kept.PayloadSize, kept.Properties
	return answer, err
}

// once runs change, at most once for the request that the decision came with.
func (by Decision) once(
	ctx context.Context, pool *dbtx.Pool, now time.Time, change func(tx dbtx.Tx) (parking.Record, error),
) (m parking.Record, err error) {
	if by.Request != nil {
		return idempotency.Run(ctx, pool, *by.Request, now, change)
	}
	err = pool.Run(ctx, func(tx dbtx.Tx) error {
		m, err = change(tx)
		return err
	})
	return m, err
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
