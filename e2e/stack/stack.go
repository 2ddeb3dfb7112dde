// Package stack starts what the services run on, and the services: a real RocketMQ and a real MySQL
// or MariaDB, as processes on loopback or in containers.
//
// Two ways in: Up starts everything for one test or demo and ends with it; LeaveUp and TakeDown are
// `make up` and `make down`. What it stands on has rooms of its own, none of which knows one that
// is listed before it: compose, servers, service, download, needs, process, port, workspace.
package stack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"settlement/e2e/stack/service"
	"settlement/e2e/stack/workspace"
)

// closeTimeout bounds what Up does to clean up after its own failure.
const closeTimeout = 2 * time.Minute

// Addresses are where a stack can be reached, all on loopback.
type Addresses struct {
	OrderURL, PaymentURL    string // http://host:port
	NamesrvAddr, BrokerAddr string // host:port
	OrderDSN, PaymentDSN    string // go-sql-driver, with parseTime, able to read every table
}

// Stack is everything running.
type Stack struct {
	Addresses

	On string // OnNative or OnCompose
	DB string // a kind that servers knows, or "dsn"

	backend  service.Backend
	services map[string]*service.Service
}

// Up starts servers and services and returns when both services are ready. The stack has its own
// data and free ports, so several can be up at once. It is gone after Close, and, on Linux, when
// this process dies in whatever way; containers are then removed by the next Up.
func Up(ctx context.Context, o Options) (*Stack, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	w, err := workspace.Find(o.Log)
	if err != nil {
		return nil, err
	}
	if runsOnCompose(ctx, o) {
		return upCompose(ctx, w, o)
	}
	return upNative(ctx, w, o)
}

// newStack adds the two services to a backend whose servers and services are started.
func newStack(on, db string, a Addresses, b service.Backend) *Stack {
	s := &Stack{Addresses: a, On: on, DB: db, backend: b, services: map[string]*service.Service{}}
	for name, url := range map[string]string{service.Order: a.OrderURL, service.Payment: a.PaymentURL} {
		s.services[name] = &service.Service{Name: name, URL: url, Binary: name, Backend: b}
	}
	return s
}

// Service returns the service with this name. It panics when there is none: that is a misspelt
// name.
func (s *Stack) Service(name string) *service.Service {
	one, ok := s.services[name]
	if !ok {
		panic(fmt.Sprintf("stack: no service %q", name))
	}
	return one
}

// StartService starts a further instance of the named service on a free port, with env on top of
// what its service has, and waits until it is ready. Close ends it with the rest.
func (s *Stack) StartService(
	ctx context.Context, name string, env map[string]string,
) (*service.Service, error) {
	binary := s.Service(name).Binary
	one, err := s.backend.Another(ctx, binary, fmt.Sprintf("%s-%d", name, len(s.services)), env)
	if err != nil {
		return nil, err
	}
	if err := one.WaitReady(ctx); err != nil {
		return nil, errors.Join(err, one.Kill())
	}
	s.services[one.Name] = one
	return one, nil
}

// Close ends everything at once and removes its data; logs stay in .run/runs for a day.
func (s *Stack) Close(ctx context.Context) error { return s.backend.Close(ctx) }
