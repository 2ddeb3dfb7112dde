// Package e2e_test runs the real binaries on a real broker and a real database, and
// looks at them from outside only: HTTP, topics, SQL, processes.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"settlement/e2e/stack"
)

const (
	// upTimeout covers downloads of a first run.
	upTimeout    = 10 * time.Minute
	closeTimeout = 2 * time.Minute
)

// running is the stack that all tests use, one after the other.
var running *stack.Stack

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), upTimeout)
	defer cancel()
	var err error
	running, err = stack.Up(ctx, stack.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e: no stack to test on:", err)
		return 1
	}

	code := m.Run()

	closing, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := running.Close(closing); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: stopping the stack:", err)
		return 1
	}
	return code
}
