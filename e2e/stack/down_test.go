package stack

import (
	"io"
	"testing"

	"settlement/e2e/stack/process"
	"settlement/e2e/stack/testcheckout"
)

// down must not end a process that has only got the pid of one that up started.
func TestDownStopsOnlyTheProcessThatItRecorded(t *testing.T) {
	w := testcheckout.New(t)
	st := newState(w, OnNative)
	run, err := process.StartDetached(testcheckout.Sleeper(w), st.record)
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
	if left, err := readState(w); left != nil || err != nil {
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
