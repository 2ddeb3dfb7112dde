package stack

import (
	"errors"
	"strings"
	"testing"

	"settlement/e2e/stack/compose"
	"settlement/e2e/stack/testcheckout"
	"settlement/e2e/stack/workspace"
)

// Where there is no Docker, nothing of a compose stack may stand in the way of down, clean and a
// native up.
func TestAComposeStackWithoutDockerLeavesNothing(t *testing.T) {
	w := testcheckout.New(t)
	t.Setenv("PATH", t.TempDir())
	log := &testcheckout.Lines{}
	o := Options{On: OnCompose, Log: log}
	if err := LeaveUp(t.Context(), o); !errors.Is(err, compose.ErrAway) {
		t.Errorf("up answers %v, want that Docker does not answer", err)
	}
	wantNothingUp(t, w)

	st := newState(w, OnCompose) // as an earlier start has left it
	st.Compose = compose.Default()
	if err := st.save(); err != nil {
		t.Fatal(err)
	}
	if err := TakeDown(t.Context(), Options{Log: log}); err != nil {
		t.Errorf("down answers %v", err)
	}
	if !strings.Contains(log.String(), "docker compose down") {
		t.Errorf("down does not say what to do when Docker is back:\n%s", log)
	}
	wantNothingUp(t, w)
}

func wantNothingUp(t *testing.T, w *workspace.Workspace) {
	t.Helper()
	if st, err := readState(w); st != nil || err != nil {
		t.Errorf("recorded as up: %+v, %v", st, err)
	}
}
