package servers

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

	s := &Set{Workspace: w, Dir: w.Root, Launch: process.Start}
	t.Cleanup(func() { _ = s.Kill() })
	p := testcheckout.Sleeper(w)
	p.Listens = []string{taken.Addr().String()}

	err = s.Boot(t.Context(), p, p.Listens[0], func(context.Context) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "another program has its port, "+p.Listens[0]) {
		t.Errorf("boot answers %v, want that the port is taken", err)
	}
	if s.Find(p.Name) != nil {
		t.Error("it was started nevertheless")
	}

	_ = taken.Close()
	if err := s.Boot(t.Context(), p, p.Listens[0], func(context.Context) error { return nil }); err != nil {
		t.Errorf("with its port free: %v", err)
	}
}

func TestASlowStartIsWaitedForAndTold(t *testing.T) {
	w := testcheckout.New(t)
	log := &testcheckout.Lines{}
	w.Progress = workspace.NewProgress(log, time.Millisecond)
	s := &Set{Workspace: w, Dir: w.Root, Launch: process.Start}
	t.Cleanup(func() { _ = s.Kill() })

	err := s.Boot(t.Context(), testcheckout.Sleeper(w), "nowhere", func(context.Context) error {
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
	s := &Set{Workspace: w, Dir: w.Root, Launch: process.Start}
	t.Cleanup(func() { _ = s.Kill() })
	p := testcheckout.Sleeper(w)
	p.Args = []string{"0"}
	err := s.Boot(t.Context(), p, "nowhere", func(context.Context) error { return errors.New("no answer") })
	if err == nil || !strings.Contains(err.Error(), "sleeper ended while it started") {
		t.Errorf("boot answers %v, want that the process ended", err)
	}
}
