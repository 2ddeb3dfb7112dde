// Package lifecycle starts and stops the parts of a service.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	pauseMin = 200 * time.Millisecond
	pauseMax = 5 * time.Second
)

// Until runs step again and again, with growing pauses and a log line for each failure,
// until it returns nil. It returns the last error when ctx ends first.
func Until(ctx context.Context, log *slog.Logger, name string, step func(ctx context.Context) error) error {
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		err := step(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			log.Warn("not started yet, trying again", "step", name, "error", err, "pause", pause.String())
		}

		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w", name, errors.Join(err, ctx.Err()))
		case <-timer.C:
		}
	}
}
