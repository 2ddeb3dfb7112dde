package cases

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"settlement/e2e/report"
)

const (
	// soakCustomers buy without a pause.
	soakCustomers = 12
	// soakOrders bounds what the checker has to read.
	soakOrders = 150_000
	// gapMax is the longest time without a fault.
	gapMax = 10 * time.Second
)

// disturbance is one fault of a soak.
type disturbance struct {
	after time.Duration // pause since the one before has healed
	Case
}

// soakPlan draws faults without end. It depends on the seed only.
func soakPlan(seed uint64) func() disturbance {
	draw := stream(seed, "soak")
	var mix []Case
	for _, c := range All() {
		if c.bin == nil && !c.alone {
			mix = append(mix, c)
		}
	}

	return func() disturbance {
		return disturbance{after: time.Duration(draw.Int64N(int64(gapMax))), Case: mix[draw.IntN(len(mix))]}
	}
}

// Soak lets faults happen at random moments for a time while customers buy as fast as they can, and
// has the checker decide at the end. An error means that there was no stack to play on.
func Soak(ctx context.Context, duration time.Duration, o Options) (report.Row, error) {
	row := report.Row{
		Case: "soak", From: "mixed", Seed: o.Seed, Began: time.Now(), Recovered: -1,
		Again: fmt.Sprintf("make soak DURATION=%s SEED=%d", duration, o.Seed),
	}
	w, err := openWorld(ctx, o.Bin, o.power(), o.Log)
	if err != nil {
		return row, err
	}
	o.Progress.Began(row.Case)
	row, err = w.soak(ctx, row, duration, o)
	row.Took = time.Since(row.Began)
	o.Progress.Ended(row)
	return row, errors.Join(err, w.close(ctx))
}

func (w *World) soak(
	ctx context.Context, row report.Row, duration time.Duration, o Options,
) (report.Row, error) {
	p, err := newPlay(ctx, w, row.Case, o.Seed, func(what string) { o.Progress.Note(row.Case, what) })
	if err != nil {
		return row, err
	}
	p.customers, p.pace, p.most = soakCustomers, 0, soakOrders

	before, err := p.counts(ctx)
	if err != nil {
		return row, err
	}

	buying := p.buying(ctx, o.Seed)
	names, err := p.disturb(ctx, &row, duration, o.Seed)
	row.Title = fmt.Sprintf("%d faults in %s: %s", len(names), duration, strings.Join(names, " "))
	healed := time.Now()
	err = errors.Join(err, buying.end())
	if err != nil {
		row.Failure = err.Error()
	}

	p.note(fmt.Sprintf("recovering; %d instructions were accepted", p.accepted.Load()))
	row.Recovered, row.Violations, err = p.judge(ctx, healed, o.Recovery)
	if err != nil {
		return row, err
	}
	row.Violations = append(row.Violations, p.found...)

	after, err := p.counts(ctx)
	row.Settlements, row.Repeats = after.since(before)
	row.Repeats.Calls = p.repeatedCalls()
	row.Effects, row.Story = p.effects, p.story
	if len(row.Violations) > 0 {
		row.Timelines = p.timelines(ctx, row.Violations)
	}
	return row, err
}

// disturb lets one fault happen after the other until the time is over, or the customers have
// bought all that they may, and returns their names.
func (p *Play) disturb(
	ctx context.Context, row *report.Row, duration time.Duration, seed uint64,
) (names []string, err error) {
	next := soakPlan(seed)
	for end := time.Now().Add(duration); time.Now().Before(end) && p.placed.Load() < p.most; {
		d := next()
		names = append(names, d.Name)
		p.draw = stream(seed, fmt.Sprint(len(names), d.Name))
		p.note(fmt.Sprintf("%s follows; %d instructions accepted so far", d.Name, p.accepted.Load()))
		if err := p.lasts(ctx, d.after); err != nil {
			return names, err
		}

		fired, err := d.run(ctx, p)
		if errors.Is(err, errNoEffect) {
			// In a mix, chance decides what a fault meets. make faults shows that each one alone
			// has an effect.
			p.note(fmt.Sprintf("%s: %v", d.Name, err))
			names[len(names)-1] += " (without effect)"
			fired, err = max(fired, 1), nil
		}
		if err == nil && fired == 0 {
			err = errors.New("it did not happen")
		}
		if err = errors.Join(err, p.heal(ctx)); err != nil {
			return names, fmt.Errorf("%s: %w", d.Name, err)
		}
		row.Fired += fired
		p.note(fmt.Sprintf("%s happened %d times", d.Name, fired))
	}
	return names, nil
}
