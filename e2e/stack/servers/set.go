package servers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"settlement/e2e/stack/download"
	"settlement/e2e/stack/needs"
	"settlement/e2e/stack/port"
	"settlement/e2e/stack/process"
	"settlement/e2e/stack/workspace"
)

// Set is the processes of one run, kept in the order in which they were started.
type Set struct {
	Workspace *workspace.Workspace
	Dir       string // their data and logs are below
	Launch    func(process.Program) (*process.Process, error)

	mu      sync.Mutex
	running []*process.Process
}

// startLimit is far more than any start takes. A process that lives is waited for, since a slow
// machine is no failure, and lines of progress tell of the wait.
const startLimit = 15 * time.Minute

// Boot starts p, unless it runs already, and waits until it is ready. On an error whatever was
// started stays, to be stopped with the others.
func (s *Set) Boot(
	ctx context.Context, p process.Program, addr string, ready func(context.Context) error,
) error {
	began := time.Now()
	if err := context.Cause(ctx); err != nil {
		return err
	}

	ready, done := s.tellWhile(p, ready)
	defer done()
	if run := s.Find(p.Name); run != nil && run.Alive() {
		return run.WaitReady(ctx, startLimit, ready)
	}
	if err := p.PortsFree(); err != nil {
		return err
	}

	run, err := s.Launch(p)
	if err != nil {
		return err
	}
	s.Add(run)
	if err := run.WaitReady(ctx, startLimit, ready); err != nil {
		return err
	}
	s.Workspace.Say("%s: up at %s in %s", p.Name, addr, workspace.Since(began))
	return nil
}

// tellWhile tells of a start that takes its time, with the last answer of ready, until done is
// called.
func (s *Set) tellWhile(
	p process.Program, ready func(context.Context) error,
) (told func(context.Context) error, done func()) {
	var last atomic.Value // string
	last.Store("not asked yet")
	told = func(ctx context.Context) error {
		err := ready(ctx)
		if err != nil {
			last.Store(err.Error())
		}
		return err
	}
	return told, s.Workspace.SayWhile(func() string {
		return fmt.Sprintf("%s: still starting (%s); its log is %s", p.Name, last.Load(), p.Log)
	})
}

// Add puts p into the place of an earlier process of that name.
func (s *Set) Add(p *process.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(slices.DeleteFunc(s.running,
		func(q *process.Process) bool { return q.Name == p.Name }), p)
}

// Find returns the process with this name, nil when none was started. It may have ended.
func (s *Set) Find(name string) *process.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.running {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Kill ends all at once, for runs whose data is thrown away.
func (s *Set) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, p := range s.running { // all first: one that takes its time does not hold up the others
		errs = append(errs, p.Signal(syscall.SIGKILL))
	}
	for _, p := range slices.Backward(s.running) {
		errs = append(errs, p.Stop(0))
	}
	s.running = nil
	return errors.Join(errs...)
}

// BootDatabase starts d on its data below s.Dir.
func (s *Set) BootDatabase(ctx context.Context, d Database) error {
	p, err := d.prepare(ctx, s.Workspace, s.Dir)
	if err != nil {
		return err
	}
	return s.Boot(ctx, p, port.Loopback(d.Port), d.ready)
}

// BootRocketMQ starts the name server, then the broker, which registers with it; or only the one
// that is named.
func (s *Set) BootRocketMQ(ctx context.Context, r RocketMQ, only ...string) error {
	classes, err := download.RocketMQClasses(ctx, s.Workspace, r.Version)
	if err != nil {
		return err
	}
	if err := needs.Provide(ctx, s.Workspace, needs.Java); err != nil {
		return err
	}

	for _, server := range []struct {
		name    string
		prepare func(classes, dir string) (process.Program, error)
		addr    string
		ready   func(context.Context) error
	}{
		{Namesrv, r.namesrv, r.NamesrvAddr(), r.namesrvReady},
		{Broker, r.broker, r.BrokerAddr(), r.brokerReady},
	} {
		if len(only) > 0 && !slices.Contains(only, server.name) {
			continue
		}

		p, err := server.prepare(classes, s.Dir)
		if err != nil {
			return err
		}
		if err := s.Boot(ctx, p, server.addr, server.ready); err != nil {
			return err
		}
	}
	return nil
}
