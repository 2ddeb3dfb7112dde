// Package wait waits for conditions in tests.
package wait

import (
	"testing"
	"time"
)

// pollInterval is the time between two looks at a condition.
const pollInterval = 20 * time.Millisecond

// Until looks at condition until it returns nil, and fails the test with its last error
// when that takes longer than limit.
func Until(t *testing.T, limit time.Duration, condition func() error) {
	t.Helper()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	deadline := time.After(limit)
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("not within %s: %v", limit, err)
		case <-tick.C:
		}
	}
}
