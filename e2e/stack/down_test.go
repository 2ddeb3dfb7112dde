package stack

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"settlement/e2e/stack/process"
)

// checkout makes an empty checkout the working directory, with a .run of its own.
func checkout(t *testing.T) *workspace {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module settlement\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	w, err := newWorkspace(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func sleeper(w *workspace) process.Program {
	return process.Program{Name: "sleeper", Path: "/bin/sleep", Args: []string{"600"}, Dir: w.root, Log: w.path("sleeper.log")}
}

// down must not end a process that has only got the pid of one that up started.
func TestDownStopsOnlyTheProcessThatItRecorded(t *testing.T) {
	w := checkout(t)
	st := w.newState(OnNative)
	run, err := process.StartDetached(sleeper(w), st.record)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Stop(0) })

	recorded := st.Servers[0]
	st.Servers[0].Birth = "another time"
	if err := st.save(); err != nil {
		t.Fatal(err)
	}
	down(t)
	if !run.Alive() {
		t.Fatal("down has ended a process whose start time is not the recorded one")
	}

	st.Servers[0] = recorded
	if err := st.save(); err != nil {
		t.Fatal(err)
	}
	down(t)
	if run.Alive() {
		t.Fatal("down has left the recorded process running")
	}
	if left, err := w.readState(); left != nil || err != nil {
		t.Fatalf("after down the state is %+v, %v; want none", left, err)
	}
	down(t) // and again, with nothing up
}

func down(t *testing.T) {
	t.Helper()
	if err := TakeDown(t.Context(), Options{Log: io.Discard}); err != nil {
		t.Fatal(err)
	}
}
