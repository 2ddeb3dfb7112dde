// Command payment-service: see README.md. It is configured by the environment and stopped by
// SIGINT or SIGTERM.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes.
const (
	exitStopped = 0 // by a signal, everything under way finished
	exitFailed  = 1 // could not start, or could not stop cleanly
	exitConfig  = 2 // the environment is wrong
)

func main() {
	cfg, err := loadConfig()
	if err != nil {
		fmt.Fprintln(os.Stderr, "payment-service:", err)
		os.Exit(exitConfig)
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
