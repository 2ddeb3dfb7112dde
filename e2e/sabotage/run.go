package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"settlement/e2e/cases"
	"settlement/e2e/overlay"
	"settlement/e2e/report"
)

// recovery is how long a wrong version may take to look right. It is as long as the right version
// has in make faults, or slowness would be taken for a catch.
const recovery = 90 * time.Second

// result is what became of a version.
type result struct {
	version
	CaughtIn string // the case; empty: it survived
	CaughtBy string // the invariant and the one of Sees that the case has reported
	Example  string // the violation
	Note     string // of cases that did not catch it
	Took     time.Duration
}

// tryAll tries the versions, several side by side, and returns the results in their order.
func tryAll(
	ctx context.Context, all []version, seed uint64, lanes int, say func(format string, args ...any),
) ([]result, error) {
	results := make([]result, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lanes)
	for i, v := range all {
		group.Go(func() (err error) {
			results[i], err = try(ctx, v, seed, say)
			return err
		})
	}
	return results, group.Wait()
}

// try builds a version and plays its cases until one catches it.
func try(
	ctx context.Context, v version, seed uint64, say func(format string, args ...any),
) (r result, err error) {
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	r.version = v

	bin, err := os.MkdirTemp("", "settlement-sabotage-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bin)) }()

	if err := overlay.Build(ctx, bin, v.Edits, "./order-service", "./payment-service"); err != nil {
		return r, fmt.Errorf("version %s: %w", v.Name, err)
	}
	say("built %s", v.Name)

	for _, name := range v.Cases {
		list, err := cases.Named(name)
		if err != nil {
			return r, err
		}
		rows, err := cases.Run(ctx, list, cases.Options{
			Seed: seed, Bin: bin, Lanes: 1, Recovery: recovery, Progress: report.NewProgress(io.Discard, 1),
			Log: io.Discard,
		})
		if err != nil {
			return r, fmt.Errorf("version %s: %w", v.Name, err)
		}

		// Any other failure means that the case could not be played, and proves nothing. NoEffect
		// counts: a wrong version may take away the effect of the fault.
		if rows[0].Failure == "" || rows[0].NoEffect {
			r.caught(rows[0])
		}
		if r.CaughtIn != "" {
			say("CAUGHT   %s in %s: %s", v.Name, name, r.CaughtBy)
			return r, nil
		}
		r.Note = missed(rows[0])
	}

	say("SURVIVED %s %s", v.Name, r.Note)
	return r, nil
}

// caught notes what a case has seen, if it is what the version was built to violate. Any other
// violation, such as messages that are only late, is no catch.
func (r *result) caught(row report.Row) {
	for _, violation := range row.Violations {
		for _, text := range r.Sees {
			if strings.HasPrefix(violation.What, text) {
				r.CaughtIn, r.CaughtBy, r.Example = row.Case, string(violation.Invariant)+
					": "+text, violation.String()
				return
			}
		}
	}
}

// missed says what a case has seen of a version that it did not catch.
func missed(row report.Row) string {
	seen := map[string]bool{}
	for _, v := range row.Violations {
		seen[v.What] = true
	}
	return strings.TrimSpace(fmt.Sprintf("%s: %s %q", row.Case, row.Failure, slices.Sorted(maps.Keys(seen))))
}

// printer prints a line at a time, with the time since it was made.
func printer(out io.Writer) func(format string, args ...any) {
	var mu sync.Mutex
	began := time.Now()
	return func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, "[%4.0fs] "+format+"\n", append([]any{time.Since(began).Seconds()}, args...)...)
	}
}

// table prints each version with the case that caught it.
func table(out io.Writer, results []result) {
	fmt.Fprintln(out)
	for _, r := range results {
		verdict := "SURVIVED " + r.Note
		if r.CaughtIn != "" {
			verdict = fmt.Sprintf("caught in %s: %s", r.CaughtIn, r.CaughtBy)
		}
		fmt.Fprintf(out, "%-33s %4.0fs  %s\n    %s\n", r.Name, r.Took.Seconds(), verdict, r.Why.EN)
		if r.Example != "" {
			fmt.Fprintf(out, "    %.200s\n", strings.ReplaceAll(r.Example, "\n", " "))
		}
	}
}

// survivors are the versions that no case caught.
func survivors(results []result) (names []string) {
	for _, r := range results {
		if r.CaughtIn == "" {
			names = append(names, r.Name)
		}
	}
	return names
}
