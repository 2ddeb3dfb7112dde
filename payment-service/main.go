// Command payment-service: see README.md. It is configured by the environment and stopped by
// SIGINT or SIGTERM. With the argument healthcheck it asks the instance that runs beside it
// whether that is ready, and exits with 0 if so.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"settlement/shared/lifecycle"
)

// Exit codes.
const (
	exitStopped = 0 // by a signal, everything under way finished
	exitFailed  = 1 // could not start, or could not stop cleanly
	exitConfig  = 2 // the environment or the arguments are wrong
)

func main() {
	cfg, err := loadConfig()
	if err != nil {
		fmt.Fprintln(os.Stderr, "payment-service:", err)
		os.Exit(exitConfig)
	}
	args := os.Args[1:]
	if len(args) > 0 && !slices.Equal(args, []string{"healthcheck"}) {
		fmt.Fprintf(os.Stderr, "payment-service: unknown arguments %q: it takes none, or healthcheck\n", args)
		os.Exit(exitConfig)
	}
	if len(args) > 0 {
		if err := lifecycle.Healthcheck(context.Background(), cfg.HTTPAddr); err != nil {
			fmt.Fprintln(os.Stderr, "payment-service:", err)
			os.Exit(exitFailed)
		}
		return
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.LogLevel})).With("service", "payment-service")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, cfg, log)
	stop()
	if err != nil {
		log.Error("payment-service ends", "error", err)
		os.Exit(exitFailed)
	}
	os.Exit(exitStopped)
}
