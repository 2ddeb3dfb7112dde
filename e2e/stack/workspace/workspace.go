// Package workspace is the checkout and what runs keep in its .run directory: locks, the cache, a
// directory for each run.
package workspace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// Workspace is the checkout and its .run directory, with everything in it that outlives one run:
//
//	.run/cache/   downloads and prepared data directories, shared by all runs
//	.run/bin/     the services
//	.run/up/      the stack that `up` started
//	.run/runs/    one directory for each run that ends what it started
type Workspace struct {
	*Progress

	Root string // absolute, holds go.mod
}

// lockPoll is between two looks at a lock that another process has.
const lockPoll = 50 * time.Millisecond

var moduleLine = regexp.MustCompile(`(?m)^module settlement$`)

// Find finds the checkout from the working directory upwards. Progress goes to out.
func Find(out io.Writer) (*Workspace, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the checkout: %w", err)
	}
	for d := dir; ; d = filepath.Dir(d) {
		mod, err := os.ReadFile(filepath.Join(d, "go.mod"))
		if err == nil && moduleLine.Match(mod) {
			return &Workspace{Progress: NewProgress(out, stillBusy), Root: d}, nil
		}
		if d == filepath.Dir(d) {
			return nil, fmt.Errorf("no go.mod of module settlement in %s or above: run this inside the checkout", dir)
		}
	}
}

// Path is a path below .run.
func (w *Workspace) Path(parts ...string) string {
	return filepath.Join(append([]string{w.Root, ".run"}, parts...)...)
}

// Lock takes the named lock of this checkout and waits while another process has it. The kernel
// gives it back when a holder dies, and children do not inherit it.
func (w *Workspace) Lock(ctx context.Context, name string) (unlock func(), err error) {
	path := w.Path("locks", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}

	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for told := false; ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			w.Say("waiting for the other that holds the lock %q", name)
			told = true
		}

		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("wait for lock %s: %w", path, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// Cached returns the directory .run/cache/NAME, and has fill make it when it is not there. It is
// there whole or not at all: fill works in another directory that gets the name at the end.
func (w *Workspace) Cached(ctx context.Context, name string, fill func(dir string) error) (string, error) {
	dir := w.Path("cache", name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}

	unlock, err := w.Lock(ctx, "cache-"+name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}

	unfinished := dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil { // left by a run that was killed
		return "", fmt.Errorf("prepare %s: %w", name, err)
	}
	if err := os.MkdirAll(unfinished, 0o755); err != nil {
		return "", fmt.Errorf("prepare %s: %w", name, err)
	}
	if err := fill(unfinished); err != nil {
		return "", fmt.Errorf("prepare %s: %w", name, errors.Join(err, os.RemoveAll(unfinished)))
	}
	if err := os.Rename(unfinished, dir); err != nil {
		return "", fmt.Errorf("prepare %s: %w", name, err)
	}
	return dir, nil
}
