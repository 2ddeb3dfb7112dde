package stack

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
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

func sleeper(w *workspace) program {
	return program{name: "sleeper", path: "/bin/sleep", args: []string{"600"}, dir: w.root, log: w.path("sleeper.log")}
}

// down must not end a process that has only got the pid of one that up started.
func TestDownStopsOnlyTheProcessThatItRecorded(t *testing.T) {
	w := checkout(t)
	st := w.newState(OnNative)
	run, err := startDetached(sleeper(w), st.record)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.stop(0) })

	recorded := st.Servers[0]
	st.Servers[0].Birth = "another time"
	if err := st.save(); err != nil {
		t.Fatal(err)
	}
	down(t)
	if !run.alive() {
		t.Fatal("down has ended a process whose start time is not the recorded one")
	}

	st.Servers[0] = recorded
	if err := st.save(); err != nil {
		t.Fatal(err)
	}
	down(t)
	if run.alive() {
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

// A process that is not recorded must not run: nobody could stop it.
func TestNothingIsExecutedBeforeItIsRecorded(t *testing.T) {
	w := checkout(t)
	mark := filepath.Join(w.root, "executed")
	p := program{name: "marker", path: "/usr/bin/touch", args: []string{mark}, dir: w.root, log: w.path("marker.log")}

	full := errors.New("no space left on device")
	if _, err := startDetached(p, func(*process) error { return full }); !errors.Is(err, full) {
		t.Fatalf("start answers %v, want %v", err, full)
	}
	if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the program was executed although it could not be recorded: %v", err)
	}

	run, err := startDetached(p, w.newState(OnNative).record)
	if err != nil {
		t.Fatal(err)
	}
	<-run.ended
	if _, err := os.Stat(mark); err != nil {
		t.Fatalf("the program was recorded and not executed: %v", err)
	}
}
