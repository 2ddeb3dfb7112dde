package stack

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"settlement/e2e/stack/process"
	"settlement/e2e/stack/testcheckout"
	"settlement/e2e/stack/workspace"
)

// Another program that has a service's port would be asked whether the service is ready, and could
// say yes.
func TestATakenPortIsAFailure(t *testing.T) {
	w := testcheckout.New(t)
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	s := &servers{w: w, dir: w.Root, launch: process.Start}
	t.Cleanup(func() { _ = s.kill() })
	p := testcheckout.Sleeper(w)
	p.Listens = []string{taken.Addr().String()}

	err = s.boot(t.Context(), p, p.Listens[0], func(context.Context) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "another program has its port, "+p.Listens[0]) {
		t.Errorf("boot answers %v, want that the port is taken", err)
	}
	if s.find(p.Name) != nil {
		t.Error("it was started nevertheless")
	}

	_ = taken.Close()
	if err := s.boot(t.Context(), p, p.Listens[0], func(context.Context) error { return nil }); err != nil {
		t.Errorf("with its port free: %v", err)
	}
}

func TestASlowStartIsWaitedForAndTold(t *testing.T) {
	w := testcheckout.New(t)
	log := &testcheckout.Lines{}
	w.Progress = workspace.NewProgress(log, time.Millisecond)
	s := &servers{w: w, dir: w.Root, launch: process.Start}
	t.Cleanup(func() { _ = s.kill() })

	err := s.boot(t.Context(), testcheckout.Sleeper(w), "nowhere", func(context.Context) error {
		if strings.Contains(log.String(), "sleeper: still starting (recovering page 7)") {
			return nil
		}
		return errors.New("recovering page 7")
	})
	if err != nil {
		t.Error(err)
	}
}

func TestADeadStartIsNotWaitedFor(t *testing.T) {
	w := testcheckout.New(t)
	s := &servers{w: w, dir: w.Root, launch: process.Start}
	t.Cleanup(func() { _ = s.kill() })
	p := testcheckout.Sleeper(w)
	p.Args = []string{"0"}
	err := s.boot(t.Context(), p, "nowhere", func(context.Context) error { return errors.New("no answer") })
	if err == nil || !strings.Contains(err.Error(), "sleeper ended while it started") {
		t.Errorf("boot answers %v, want that the process ended", err)
	}
}

// Where there is no Docker, nothing of a compose stack may stand in the way of down, clean and a native up.
func TestAComposeStackWithoutDockerLeavesNothing(t *testing.T) {
	w := testcheckout.New(t)
	t.Setenv("PATH", t.TempDir())
	log := &testcheckout.Lines{}
	o := Options{On: OnCompose, Log: log}
	if err := LeaveUp(t.Context(), o); !errors.Is(err, errDockerAway) {
		t.Errorf("up answers %v, want that Docker does not answer", err)
	}
	wantNothingUp(t, w)

	st := newState(w, OnCompose) // as an earlier start has left it
	st.Compose = defaultCompose()
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
