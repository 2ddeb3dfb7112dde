package outbox

import (
	"context"
	"time"
)

// SetPoll changes how often the relay looks without being woken. Call it before Run.
func (r *Relay) SetPoll(d time.Duration) { r.poll = d }

// SetSettles changes how long an INSERT is thought to take. Call it before Run.
func (r *Relay) SetSettles(d time.Duration) { r.settles = d }

// SetBelowEvery changes how often rows below the floor are looked for. Call it before Run.
func (r *Relay) SetBelowEvery(d time.Duration) { r.below = d }

// PageRows is how many rows are read at once.
const PageRows = pageRows

// Limits that tests go beyond.
const (
	PlaceRows = placeRows
	LookRows  = lookRows
	DepthMax  = depthMax
)

// Step is one turn of the relay and the rounds it began, for tests that do not Run it.
func (r *Relay) Step(ctx context.Context) error {
	if err := r.turn(ctx, ctx); err != nil {
		return err
	}
	r.awaitRounds()
	return nil
}

// Look is what the relay asks of the database at each poll.
func (r *Relay) Look(ctx context.Context) error {
	_, err := r.look(ctx)
	return err
}
