// Command demo settles real orders on a real stack while messages are repeated and
// payment-service is restarted, and says whether the money adds up.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"settlement/e2e/stack"
)

// demoTimeout bounds everything, downloads of a first run included.
const demoTimeout = 10 * time.Minute

// closeTimeout bounds stopping the stack.
const closeTimeout = time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()

	if err := demo(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1) //nolint:gocritic // exitAfterDefer: the deferred calls only release the signal and the timer
	}
}

func demo(ctx context.Context) (err error) {
	say("Starting a broker, a name server, a database and both services.")
	s, err := stack.Up(ctx, stack.Options{})
	if err != nil {
		return err
	}
	defer func() {
		say("Stopping everything.")
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if closeErr := s.Close(closing); err == nil {
			err = closeErr
		}
	}()

	say("Up on %s with %s: orders at %s, payments at %s.", s.On, s.DB, s.OrderURL, s.PaymentURL)
	plan, err := newPlan(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plan.close()) }()

	if err := plan.play(ctx); err != nil {
		return err
	}
	result, err := plan.result(ctx)
	if err != nil {
		return err
	}
	return result.print(os.Stdout)
}

var began = time.Now()

// say prints a line of the story with the time since the beginning.
func say(format string, args ...any) {
	fmt.Printf("%6.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
}
