package stack

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
	serviceReadyLimit = 2 * time.Minute
	readyzTimeout     = 5 * time.Second
	answerMax         = 4 << 10 // of what /readyz says, for the error
)

// Service is one instance of order-service or payment-service. It is not safe for concurrent use.
type Service struct {
	Name string // unique in its stack; the first instance has the service's name
	URL  string // base URL; empty for a further instance in containers, which has no port outside

	binary  string
	env     []string // on top of what its service has
	backend backend
}

// backend is what runs the services of a stack: processes or containers.
type backend interface {
	start(ctx context.Context, s *Service) error
	kill(s *Service) error // takes no context: it is for cleaning up too
	signal(s *Service, sig syscall.Signal) error
	alive(s *Service) bool
	stop(ctx context.Context, s *Service) error
	ready(ctx context.Context, s *Service) error
	logTail(s *Service, lines int) string
	another(ctx context.Context, binary, name string, env map[string]string) (*Service, error)
	exec(ctx context.Context, s *Service, args []string) (*exec.Cmd, error)
	close(ctx context.Context) error
}

// Kill ends the service by SIGKILL and returns when it is gone.
func (s *Service) Kill() error { return s.backend.kill(s) }

// Running tells whether the service was started and has not ended.
func (s *Service) Running() bool { return s.backend.alive(s) }

// Pause freezes the service by SIGSTOP: it holds its connections and locks, and does nothing.
func (s *Service) Pause() error { return s.backend.signal(s, syscall.SIGSTOP) }

// Resume lets a paused service go on.
func (s *Service) Resume() error { return s.backend.signal(s, syscall.SIGCONT) }

// Stop asks the service to end by SIGTERM and waits for it; an error means that it had to be killed,
// or ended with another exit code than 0.
func (s *Service) Stop(ctx context.Context) error { return s.backend.stop(ctx, s) }

// Start starts the service again, at the same URL. It does not wait: see WaitReady.
func (s *Service) Start(ctx context.Context) error { return s.backend.start(ctx, s) }

// Restart is Stop and Start.
func (s *Service) Restart(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}

// WaitReady waits until /readyz answers 200, at most 2 minutes. The error carries the last answer and
// the end of the service's log; a service that has ended is reported at once.
func (s *Service) WaitReady(ctx context.Context) error { return s.backend.ready(ctx, s) }

// LogTail returns the last lines of what the service has logged.
func (s *Service) LogTail(lines int) string { return s.backend.logTail(s, lines) }

// Exec runs a command of the service's binary beside the service, in its environment, and returns
// all that the command printed. The error holds the end of that. When ctx ends, the command is
// killed.
func (s *Service) Exec(ctx context.Context, args ...string) (printed string, err error) {
	cmd, err := s.backend.exec(ctx, s, args)
	if err != nil {
		return "", err
	}
	cmd.WaitDelay = process.KillWait
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", s.binary, strings.Join(args, " "), err, out[max(0, len(out)-answerMax):])
	}
	return string(out), err
}

func readyz(ctx context.Context, url string) error {
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
