package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"settlement/e2e/stack/compose"
	"settlement/e2e/stack/process"
	"settlement/e2e/stack/service"
	"settlement/e2e/stack/workspace"
)

// state is what LeaveUp records, in .run/up/state.json, for TakeDown and for the next LeaveUp.
type state struct {
	On       string
	Settings settings // native
	Compose  compose.Settings
	Servers  []process.Record // in the order in which they were started

	mu sync.Mutex
	w  *workspace.Workspace
}

func statePath(w *workspace.Workspace) string { return w.Path("up", "state.json") }

// readState returns nil when nothing is up.
func readState(w *workspace.Workspace) (*state, error) {
	path := statePath(w)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what is up: %w", err)
	}
	st := &state{w: w}
	if err := json.Unmarshal(b, st); err != nil {
		return nil, fmt.Errorf("read what is up: %s: %w", path, err)
	}
	return st, nil
}

func newState(w *workspace.Workspace, on string) *state {
	return &state{On: on, w: w}
}

// save must be called with mu held once servers start.
func (st *state) save() error {
	b, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	return workspace.WriteFile(statePath(st.w), append(b, '\n'), 0o600)
}

// record adds a process, in the place of an earlier one of that name, and saves.
func (st *state) record(p *process.Process) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.Servers = slices.DeleteFunc(st.Servers, func(r process.Record) bool { return r.Name == p.Name })
	st.Servers = append(st.Servers, p.Record)
	return st.save()
}

// config is what the stack's services were started with.
func (st *state) config() service.Configuration {
	if st.On == OnCompose {
		return st.Compose.Config
	}
	return st.Settings.Config
}

// living returns those recorded processes that still run.
func (st *state) living() []*process.Process {
	var all []*process.Process
	for _, r := range st.Servers {
		if p := (&process.Process{Record: r}); p.Alive() {
			all = append(all, p)
		}
	}
	return all
}
