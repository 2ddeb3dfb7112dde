package cases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"settlement/e2e/faults"
	"settlement/e2e/report"
)

// instructionsMin is how many instructions are accepted in each case.
const instructionsMin = 80

// caseLimit bounds one case, recovery included.
const caseLimit = 8 * time.Minute

// Options say how cases are run.
type Options struct {
	Seed     uint64           // every choice; the same seed makes the same ones
	Bin      string           // directory with binaries of both services; empty: they are built
	Lanes    int              // stacks side by side, each with its own servers; a case has one for itself
	Recovery time.Duration    // within which all must be right after the fault's end
	Progress *report.Progress // told of every case
	Log      io.Writer        // gets what the stacks say
	// Cases are played and nothing is broken: each has to miss the effect of its fault.
	Disarmed bool
}

// power is the switch of a stack's faults.
func (o Options) power() *faults.Switch {
	power := &faults.Switch{}
	if o.Disarmed {
		power.Off()
	}
	return power
}

// Run plays each case and returns a row for each, in their order. A stack is kept from case to case
// until one fails. An error means that cleaning up failed.
func Run(ctx context.Context, all []Case, o Options) ([]report.Row, error) {
	rows := make([]report.Row, len(all))
	next := make(chan int, len(all))
	for i := range all {
		next <- i
	}
	close(next)

	var group errgroup.Group // one lane's failure does not end the others
	for range min(o.Lanes, len(all)) {
		group.Go(func() (err error) {
			l := lane{options: o}
			defer func() { err = errors.Join(err, l.close(ctx)) }()
			for i := range next {
				if rows[i], err = l.play(ctx, all[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return rows, group.Wait()
}

// lane plays one case after the other.
type lane struct {
	options Options
	world   *World // nil before the first case and after one that failed
	scratch string // directory of a case's own binaries
}

func (l *lane) close(ctx context.Context) error {
	var err error
	if l.world != nil {
		err = l.world.close(ctx)
		l.world = nil
	}
	if l.scratch != "" {
		err = errors.Join(err, os.RemoveAll(l.scratch))
		l.scratch = ""
	}
	return err
}

func (l *lane) play(ctx context.Context, c Case) (report.Row, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, caseLimit,
		fmt.Errorf("the case took more than %s", caseLimit))
	defer cancel()
	l.options.Progress.Began(c.Name)
	note := func(what string) { l.options.Progress.Note(c.Name, what) }

	err := l.open(ctx, c)
	if err != nil && ctx.Err() == nil {
		note("no stack, trying once more: " + err.Error())
		err = l.open(ctx, c)
	}
	if err != nil {
		row := report.Row{
			Case: c.Name, From: c.From, Title: c.Title.EN, Seed: l.options.Seed, Began: time.Now(),
			Failure: "no stack: " + err.Error(),
		}
		l.options.Progress.Ended(row)
		return row, l.close(context.WithoutCancel(ctx))
	}

	row := l.world.play(ctx, c, l.options, note)
	l.options.Progress.Ended(row)
	if l.options.Disarmed && row.Harmless() {
		return row, nil
	}
	if !row.OK() || c.bin != nil || c.alone {
		return row, l.close(ctx) // what is wrong in this world must not be blamed on the next case
	}
	return row, nil
}

// open makes the lane's world, unless it is there.
func (l *lane) open(ctx context.Context, c Case) (err error) {
	bin := l.options.Bin
	if c.bin != nil && !l.options.Disarmed {
		if err := l.close(ctx); err != nil {
			return err
		}
		if l.scratch, err = os.MkdirTemp("", "settlement-bin-"); err != nil {
			return err
		}
		if err := c.bin(ctx, l.scratch); err != nil {
			return fmt.Errorf("build: %w", err)
		}
		bin = l.scratch
	}

	if l.world == nil {
		l.world, err = openWorld(ctx, bin, l.options.power(), l.options.Log)
	}
	return err
}

// play plays one case in w: customers buy, the fault happens and ends, the checker decides.
func (w *World) play(ctx context.Context, c Case, o Options, say func(string)) (row report.Row) {
	row = report.Row{
		Case: c.Name, From: c.From, Title: c.Title.EN, Seed: o.Seed, Began: time.Now(), Recovered: -1,
	}
	defer func() { row.Took = time.Since(row.Began) }()

	p, err := newPlay(ctx, w, c.Name, o.Seed, say)
	if err != nil {
		row.Failure = err.Error()
		return row
	}
	if c.strangers {
		p.turnStrangers()
	}
	before, err := p.counts(ctx)
	if err != nil {
		row.Failure = err.Error()
		return row
	}

	customers := p.buying(ctx, p.draw.Uint64())
	fail := func(err error) {
		if err != nil && row.Failure == "" { // the first error says most
			row.Failure, row.NoEffect = err.Error(), errors.Is(err, errNoEffect)
		}
	}

	fail(p.warm(ctx))
	if row.Failure == "" {
		if row.Unbroken = c.run == nil; !row.Unbroken {
			p.note("breaking")
			row.Fired, err = c.run(ctx, p)
			fail(err)
		}
	}

	p.note("healing")
	healed := time.Now()
	fail(w.heal(ctx))
	if left := instructionsMin - p.accepted.Load(); left > 0 && row.Failure == "" {
		fail(p.accepts(ctx, left)) // enough for the checker to have something to look at
	}
	fail(customers.end())

	p.note("recovering")
	row.Recovered, row.Violations, err = p.judge(ctx, healed, o.Recovery)
	row.Violations = append(row.Violations, p.found...)
	fail(err)

	after, err := p.counts(ctx)
	fail(err)
	row.Settlements, row.Repeats = after.since(before)
	row.Repeats.Calls = p.repeatedCalls()
	row.Effects, row.Story = p.effects, p.story
	if len(row.Violations) > 0 {
		row.Timelines = p.timelines(ctx, row.Violations)
	}
	return row
}
