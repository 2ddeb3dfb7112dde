package intake

import (
	"context"
	"log/slog"
	"time"

	"settlement/shared/guard"
	"settlement/shared/parking"
	"settlement/shared/wake"
)

const (
	// waitingEvery is the time between two looks for messages that wait. waitingPage is how many
	// messages one look takes.
	waitingEvery = 1 * time.Second
	waitingPage  = 64
)

// Waiting does the messages that wait for their predecessor. Usually the predecessor releases them
// when it is done. Waiting finds the messages whose release failed or was missed, and has people
// told of those whose predecessor never comes.
type Waiting struct {
	lot       *parking.Lot
	resolvers parking.Resolvers
	policies  map[string]*Policy // by topic
	log       *slog.Logger
}

// NewWaiting makes a Waiting. resolvers and policies have one for each topic whose messages can
// wait.
func NewWaiting(
	lot *parking.Lot, resolvers parking.Resolvers, log *slog.Logger, policies ...*Policy,
) *Waiting {
	w := &Waiting{lot: lot, resolvers: resolvers, policies: map[string]*Policy{}, log: log}
	for _, p := range policies {
		w.policies[p.topic] = p
	}
	return w
}

// Run looks for messages that wait until ctx is done.
func (w *Waiting) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.Round(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("waiting messages cannot be looked at, trying again", "error", err)
		}
		wake.Pause(ctx, waitingEvery)
	}
}

// Round looks once at each message that is due, up to a page of them.
func (w *Waiting) Round(ctx context.Context) error {
	due, err := w.lot.DueToTry(ctx, waitingPage)
	if err != nil {
		return err
	}
	for _, m := range due {
		if err := w.one(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// one does one message. It returns an error only when it is no use to go on with the next message.
func (w *Waiting) one(ctx context.Context, m parking.Record) error {
	policy := w.policies[m.Topic]
	if policy == nil {
		return nil // another release of this service kept it
	}

	before := policy.effects()
	state, err := w.try(ctx, m)
	switch {
	case err == nil && state == parking.Released:
		policy.did([]string{m.Number}, 1)
		w.log.Info("message done that had waited", "topic", m.Topic, "number", m.Number,
			"ordering_key", m.OrderingKey, "seq", m.Seq)
		return nil
	case err == nil:
		return nil
	case policy.suspends(ctx, err):
		w.log.Warn("waiting message cannot be done now, it is tried again", "error", err)
		return w.lot.Postpone(ctx, m) // what blocks this message need not block the next one
	}

	parked, err := policy.failed(ctx, m.Subject, m.Delivery(), before, err)
	if parked {
		return nil
	}
	w.log.Warn("waiting message failed, it is tried again", "error", err)
	policy.failedAll(ctx, before, err)
	return w.lot.Postpone(ctx, m)
}

func (w *Waiting) try(ctx context.Context, m parking.Record) (state parking.State, err error) {
	does, err := w.resolvers.Of(m)
	if err != nil {
		return "", err
	}
	err = guard.Run(func() (err error) {
		state, err = w.lot.TryWaiting(ctx, m, does)
		return err
	})
	return state, err
}
