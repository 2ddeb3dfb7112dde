// Package service is an instance of order-service or payment-service: what it is built from, what
// it is told, and what can be done to it.
package service

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"settlement/e2e/stack/process"
)

const (
	// ReadyLimit is how long WaitReady waits.
	ReadyLimit = 2 * time.Minute

	// StopGrace is more than the services need in a test: SHUTDOWN_TIMEOUT (20 s) for requests, and
	// again for batches.
	StopGrace = 45 * time.Second

	readyzTimeout = 5 * time.Second
	answerMax     = 4 << 10 // of what /readyz says, for the error
)

// Service is one instance of order-service or payment-service. It is not safe for concurrent use.
type Service struct {
	Name string // unique in its stack; the first instance has the service's name
	URL  string // base URL; empty for a further instance in containers, which has no port outside

	Binary  string   // Order or Payment
	Env     []string // on top of what its service has
	Backend Backend
}

// Backend is what runs the services of a stack: processes or containers.
type Backend interface {
	Start(ctx context.Context, s *Service) error
	Kill(s *Service) error // takes no context: it is for cleaning up too
	Signal(s *Service, sig syscall.Signal) error
	Alive(s *Service) bool
	Stop(ctx context.Context, s *Service) error
	Ready(ctx context.Context, s *Service) error
	LogTail(s *Service, lines int) string
	Another(ctx context.Context, binary, name string, env map[string]string) (*Service, error)
	Exec(ctx context.Context, s *Service, args []string) (*exec.Cmd, error)
	Close(ctx context.Context) error
}

// Kill ends the service by SIGKILL and returns when it is gone.
func (s *Service) Kill() error { return s.Backend.Kill(s) }

// Running tells whether the service was started and has not ended.
func (s *Service) Running() bool { return s.Backend.Alive(s) }

// Pause freezes the service by SIGSTOP: it holds its connections and locks, and does nothing.
func (s *Service) Pause() error { return s.Backend.Signal(s, syscall.SIGSTOP) }

// Resume lets a paused service go on.
func (s *Service) Resume() error { return s.Backend.Signal(s, syscall.SIGCONT) }

// Stop asks the service to end by SIGTERM and waits for it; an error means that it had to be
// killed, or ended with another exit code than 0.
func (s *Service) Stop(ctx context.Context) error { return s.Backend.Stop(ctx, s) }

// Start starts the service again, at the same URL. It does not wait: see WaitReady.
func (s *Service) Start(ctx context.Context) error { return s.Backend.Start(ctx, s) }

// Restart is Stop and Start.
func (s *Service) Restart(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}

// WaitReady waits until /readyz answers 200, at most 2 minutes. The error carries the last answer
// and the end of the service's log; a service that has ended is reported at once.
func (s *Service) WaitReady(ctx context.Context) error { return s.Backend.Ready(ctx, s) }

// LogTail returns the last lines of what the service has logged.
func (s *Service) LogTail(lines int) string { return s.Backend.LogTail(s, lines) }

// Exec runs a command of the service's binary beside the service, in its environment, and returns
// all that the command printed. The error holds the end of that. When ctx ends, the command is
// killed.
func (s *Service) Exec(ctx context.Context, args ...string) (printed string, err error) {
	cmd, err := s.Backend.Exec(ctx, s, args)
	if err != nil {
		return "", err
	}
	cmd.WaitDelay = process.KillWait
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", s.Binary, strings.Join(args, " "), err,
			out[max(0, len(out)-answerMax):])
	}
	return string(out), err
}

// Readyz is nil when the service at url answers that it is ready.
func Readyz(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyzTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, answerMax)) // only to explain a status that is not 200
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s/readyz: %s: %s", url, res.Status, body)
	}
	return nil
}
