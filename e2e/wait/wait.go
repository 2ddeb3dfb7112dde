// Package wait waits for conditions.
package wait

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// pollInterval is the time between two looks at a condition.
const pollInterval = 20 * time.Millisecond

// For looks at condition until it returns nil. When that takes longer than limit, or ctx ends, it
// returns the condition's last error.
func For(ctx context.Context, limit time.Duration, condition func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()

	var last error
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil { // an error that only the end of ctx caused says nothing
			last = err
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

// Until is For in a test, which it fails.
func Until(t *testing.T, limit time.Duration, condition func() error) {
	t.Helper()
	if err := For(t.Context(), limit, func(context.Context) error { return condition() }); err != nil {
		t.Fatal(err)
	}
}
