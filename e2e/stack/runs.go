package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// keepLogs is how long the logs of an ended run stay in .run/runs.
const keepLogs = 24 * time.Hour

// newRun makes a directory of its own under .run/runs for one run, and clears what dead runs left.
// A lock holds the directory until release, which removes everything in it but the logs.
func (w *workspace) newRun(ctx context.Context, label string) (dir string, release func() error, err error) {
	runs := w.path("runs")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return "", nil, fmt.Errorf("make a run directory: %w", err)
	}

	unlock, err := w.lock(ctx, "runs") // nobody may clear a directory between its making and its lock
	if err != nil {
		return "", nil, err
	}
	defer unlock()
	if err := w.clearDeadRuns(ctx, runs); err != nil {
		return "", nil, err
	}

	dir, err = os.MkdirTemp(runs, label+"-")
	if err != nil {
		return "", nil, fmt.Errorf("make a run directory: %w", err)
	}
	held, err := holdRun(dir)
	if err != nil {
		return "", nil, fmt.Errorf("make a run directory: %w", err)
	}

	return dir, func() error {
		defer held.Close()
		return clearRun(dir)
	}, nil
}

// holdRun locks the run directory; an error means that a living process has it.
func holdRun(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (w *workspace) clearDeadRuns(ctx context.Context, runs string) error {
	entries, err := os.ReadDir(runs)
	if err != nil {
		return fmt.Errorf("clear old runs: %w", err)
	}
	for _, e := range entries {
		dir := filepath.Join(runs, e.Name())
		held, err := holdRun(dir)
		if err != nil {
			continue // in use
		}
		// A run that cannot be cleared now may be cleared by the next one. It is no reason not to
		// start this one.
		if err := clearDeadRun(ctx, dir, e); err != nil {
			w.say("%v", err)
		}
		_ = held.Close()
	}
	return nil
}

func clearDeadRun(ctx context.Context, dir string, e fs.DirEntry) error {
	if err := removeDeadProject(ctx, dir); err != nil {
		return err
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	if time.Since(info.ModTime()) > keepLogs {
		return os.RemoveAll(dir)
	}
	return clearRun(dir)
}

// clearRun removes the data of a run and keeps its logs.
func clearRun(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	for _, e := range entries {
		if e.Name() == "logs" || e.Name() == "lock" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("clear %s: %w", dir, err)
		}
	}
	return nil
}
