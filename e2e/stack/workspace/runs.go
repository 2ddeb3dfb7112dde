package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// keepLogs is how long the logs of an ended run stay in .run/runs.
	keepLogs = 24 * time.Hour

	// removeLimit bounds the removal of a dead run's containers.
	removeLimit = 90 * time.Second

	// projectFile, in a run's directory, holds the name of the Compose project that the run
	// started.
	projectFile = "compose-project"
)

// Run is a directory under .run/runs that one run has for itself.
type Run struct {
	Dir string

	held *os.File
}

// NewRun makes a directory of its own for one run, and clears what dead runs left. A lock holds the
// directory until Release.
func (w *Workspace) NewRun(ctx context.Context, label string) (*Run, error) {
	runs := w.Path("runs")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return nil, fmt.Errorf("make a run directory: %w", err)
	}

	unlock, err := w.Lock(ctx, "runs") // nobody may clear a directory between its making and its lock
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := w.clearDeadRuns(ctx, runs); err != nil {
		return nil, err
	}

	dir, err := os.MkdirTemp(runs, label+"-")
	if err != nil {
		return nil, fmt.Errorf("make a run directory: %w", err)
	}
	held, err := holdRun(dir)
	if err != nil {
		return nil, fmt.Errorf("make a run directory: %w", err)
	}
	return &Run{Dir: dir, held: held}, nil
}

// Release gives the directory back and removes everything in it but the logs.
func (r *Run) Release() error {
	defer r.held.Close()
	return clearRun(r.Dir)
}

// OwnProject notes that the run starts this Compose project. By the note the next run finds the
// containers if this process dies.
func (r *Run) OwnProject(name string) error {
	return os.WriteFile(filepath.Join(r.Dir, projectFile), []byte(name), 0o644)
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

func (w *Workspace) clearDeadRuns(ctx context.Context, runs string) error {
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
			w.Say("%v", err)
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

// removeDeadProject removes the containers and volumes of a run whose process has died.
func removeDeadProject(ctx context.Context, dir string) error {
	project, err := os.ReadFile(filepath.Join(dir, projectFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, removeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", "compose", "-p",
		string(project), "down", "-v", "--remove-orphans")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("remove containers of %s: %w: %s", project, err, out)
	}
	return nil
}
