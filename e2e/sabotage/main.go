package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	// runLimit bounds a run of all versions.
	runLimit = 2 * time.Hour
	lanesMax = 8
)

func main() {
	only := flag.String("only", "", "names of versions, with commas between; empty: all")
	seed := flag.Uint64("seed", 1, "every choice of the cases")
	lanes := flag.Int("lanes", 3, "versions side by side, each on servers of its own")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, fmt.Errorf("the run took more than %s", runLimit))
	defer cancel()

	if err := run(ctx, *only, *seed, *lanes); err != nil {
		fmt.Fprintln(os.Stderr, "sabotage:", err)
		os.Exit(1) //nolint:gocritic // exitAfterDefer: the deferred calls only release the signal and the timer
	}
}

func run(ctx context.Context, only string, seed uint64, lanes int) error {
	if lanes < 1 || lanes > lanesMax {
		return fmt.Errorf("lanes %d: want 1 to %d", lanes, lanesMax)
	}
	all, err := named(only)
	if err != nil {
		return err
	}

	results, err := tryAll(ctx, all, seed, lanes, printer(os.Stdout))
	if err != nil {
		return err
	}

	table(os.Stdout, results)
	if names := survivors(results); len(names) > 0 {
		return fmt.Errorf("%d of %d wrong versions survived: %s",
			len(names), len(results), strings.Join(names, ", "))
	}
	fmt.Printf("\nVERDICT: each of %d wrong versions was caught, seed %d.\n", len(results), seed)
	return nil
}
