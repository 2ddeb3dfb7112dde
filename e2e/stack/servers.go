package stack

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

// servers are the processes of one run, kept in the order in which they were started.
type servers struct {
	w      *workspace.Workspace
	dir    string
	launch func(process.Program) (*process.Process, error)

	mu      sync.Mutex
	running []*process.Process
}

// startLimit is far more than any start takes. A process that lives is waited for, since a slow
// machine is no failure, and lines of progress tell of the wait.
const startLimit = 15 * time.Minute

// boot starts p, unless it runs already, and waits until it is ready. On an error whatever was
// started stays, to be stopped with the others.
func (s *servers) boot(ctx context.Context, p process.Program, addr string, ready func(context.Context) error) error {
	began := time.Now()
	if err := context.Cause(ctx); err != nil {
		return err
	}

	ready, done := s.tellWhile(p, ready)
	defer done()
	if run := s.find(p.Name); run != nil && run.Alive() {
		return run.WaitReady(ctx, startLimit, ready)
	}
	if err := p.PortsFree(); err != nil {
		return err
	}

	run, err := s.launch(p)
	if err != nil {
		return err
	}
	s.add(run)
	if err := run.WaitReady(ctx, startLimit, ready); err != nil {
		return err
	}
	s.w.Say("%s: up at %s in %s", p.Name, addr, workspace.Since(began))
	return nil
}

// tellWhile tells of a start that takes its time, with the last answer of ready, until done is called.
func (s *servers) tellWhile(p process.Program, ready func(context.Context) error) (told func(context.Context) error, done func()) {
	var last atomic.Value // string
	last.Store("not asked yet")
	told = func(ctx context.Context) error {
		err := ready(ctx)
		if err != nil {
			last.Store(err.Error())
		}
		return err
	}
	return told, s.w.SayWhile(func() string {
		return fmt.Sprintf("%s: still starting (%s); its log is %s", p.Name, last.Load(), p.Log)
	})
}

// add puts p into the place of an earlier process of that name.
func (s *servers) add(p *process.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(slices.DeleteFunc(s.running, func(q *process.Process) bool { return q.Name == p.Name }), p)
}

// find returns the process with this name, nil when none was started. It may have ended.
func (s *servers) find(name string) *process.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.running {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// kill ends all at once, for runs whose data is thrown away.
func (s *servers) kill() error {
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

// bootDatabase starts d on its data below s.dir.
func (s *servers) bootDatabase(ctx context.Context, d databaseServer) error {
	p, err := d.prepare(ctx, s.w, s.dir)
	if err != nil {
		return err
	}
	return s.boot(ctx, p, port.Loopback(d.Port), d.ready)
}

// bootRocketMQ starts the name server, then the broker, which registers with it; or only the one that is named.
func (s *servers) bootRocketMQ(ctx context.Context, r rocketmq, only ...string) error {
	classes, err := download.RocketMQClasses(ctx, s.w, r.Version)
	if err != nil {
		return err
	}
	if err := needs.Provide(ctx, s.w, needs.Java); err != nil {
		return err
	}

	for _, server := range []struct {
		name    string
		prepare func(classes, dir string) (process.Program, error)
		addr    string
		ready   func(context.Context) error
	}{{Namesrv, r.namesrv, r.namesrvAddr(), r.namesrvReady}, {Broker, r.broker, r.brokerAddr(), r.brokerReady}} {
		if len(only) > 0 && !slices.Contains(only, server.name) {
			continue
		}

		p, err := server.prepare(classes, s.dir)
		if err != nil {
			return err
		}
		if err := s.boot(ctx, p, server.addr, server.ready); err != nil {
			return err
		}
	}
	return nil
}
