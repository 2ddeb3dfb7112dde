package stack

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"settlement/e2e/stack/port"
)

// container runs a plain docker command on the service's container. `docker compose start` would
// once more start what the service depends on, one-shots included, which takes 20 s.
func (c *compose) container(ctx context.Context, s *Service, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, composeCall)
	defer cancel()
	id, err := c.id(ctx, s.Name)
	if err != nil {
		return "", err
	}
	return c.docker(ctx, append(command, id)...)
}

func (c *compose) id(ctx context.Context, name string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id, known := c.ids[name]; known {
		return id, nil
	}
	out, err := c.run(ctx, composeCall, "ps", "-a", "-q", name)
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(out)
	if id == "" {
		return "", fmt.Errorf("%s has no container in project %s", name, c.Project)
	}
	c.ids[name] = id
	return id, nil
}

func (c *compose) start(ctx context.Context, s *Service) error {
	_, err := c.container(ctx, s, "start")
	return err
}

func (c *compose) kill(s *Service) error {
	if !c.alive(s) {
		return nil // docker refuses to kill what has ended
	}
	ctx := context.Background() // container bounds it
	if _, err := c.container(ctx, s, "kill", "-s", "SIGKILL"); err != nil {
		return err
	}
	_, err := c.container(ctx, s, "wait")
	return err
}

func (c *compose) alive(s *Service) bool {
	running, err := c.inspect(context.Background(), s, "{{.State.Running}}") // container bounds it
	return err == nil && running == "true"
}

func (c *compose) signal(s *Service, sig syscall.Signal) error {
	_, err := c.container(context.Background(), s, "kill", "-s", strconv.Itoa(int(sig)))
	return err
}

func (c *compose) stop(ctx context.Context, s *Service) error {
	if _, err := c.container(ctx, s, "stop", "-t", strconv.Itoa(int(serviceGrace.Seconds()))); err != nil {
		return err
	}
	code, err := c.inspect(ctx, s, "{{.State.ExitCode}}")
	if err == nil && code != "0" {
		err = fmt.Errorf("%s did not end well within %s after SIGTERM: exit code %s; its log ends with:\n%s", s.Name, serviceGrace, code, c.tail(ctx, s, 20))
	}
	return err
}

// ready asks /readyz from outside where there is a port outside, else Docker for the health check's result.
func (c *compose) ready(ctx context.Context, s *Service) error {
	ctx, cancel := context.WithTimeout(ctx, serviceReadyLimit)
	defer cancel()
	tick := time.NewTicker(containerPoll)
	defer tick.Stop()

	for {
		state, err := c.inspect(ctx, s, "{{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}")
		switch {
		case err != nil:
		case !strings.HasPrefix(state, "running"):
			return fmt.Errorf("%s: its container is %s; its log ends with:\n%s", s.Name, state, c.tail(ctx, s, 20))
		case s.URL != "":
			err = readyz(ctx, s.URL)
		case !strings.HasSuffix(state, " healthy"):
			err = fmt.Errorf("its container is %s", state)
		}
		if err == nil {
			return nil
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w; its log ends with:\n%s", s.Name, context.Cause(ctx), err, c.tail(ctx, s, 20))
		case <-tick.C:
		}
	}
}

func (c *compose) inspect(ctx context.Context, s *Service, format string) (string, error) {
	out, err := c.container(ctx, s, "inspect", "--format", format)
	return strings.TrimSpace(out), err
}

func (c *compose) logTail(s *Service, lines int) string {
	return c.tail(context.Background(), s, lines)
}

// tail works after ctx has ended too: what it returns explains why something took too long.
func (c *compose) tail(ctx context.Context, s *Service, lines int) string {
	out, err := c.container(context.WithoutCancel(ctx), s, "logs", "--tail", strconv.Itoa(lines))
	if err != nil {
		return err.Error()
	}
	return out
}

// another starts a further container of a service. The services share one network, whose ports were
// published when it was made, so this one listens there on a free port and has none outside.
func (c *compose) another(ctx context.Context, binary, name string, env map[string]string) (*Service, error) {
	at, err := port.Free()
	if err != nil {
		return nil, err
	}

	s := &Service{Name: name, binary: binary, backend: c}
	container := c.Project + "-" + name
	args := []string{"run", "-d", "--no-deps", "--name", container, "-e", "HTTP_ADDR=" + port.Loopback(at)}
	for k, v := range env {
		args = append(args, "-e", k+"="+v)
	}
	if _, err := c.run(ctx, composeCall, append(args, binary)...); err != nil {
		return nil, err
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[name] = container
	c.further = append(c.further, container)
	return s, nil
}

func (c *compose) exec(ctx context.Context, s *Service, args []string) (*exec.Cmd, error) {
	id, err := c.id(ctx, s.Name)
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, "docker", append([]string{"exec", id, "/" + s.binary}, args...)...), nil
}

func (c *compose) close(ctx context.Context) error {
	var errs []error
	for _, container := range c.further {
		_, err := c.docker(ctx, "rm", "-f", container)
		errs = append(errs, err)
	}
	errs = append(errs, c.down(ctx, "-v", "-t", "0"))
	if err := errors.Join(errs...); err != nil {
		return err // the run's directory stays, with the project's name, for the next run to remove it
	}
	return c.release()
}
