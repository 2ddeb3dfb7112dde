package compose

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
	"settlement/e2e/stack/service"
)

// container runs a plain docker command on the service's container. `docker compose start` would
// once more start what the service depends on, one-shots included, which takes 20 s.
func (c *Project) container(ctx context.Context, s *service.Service, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	id, err := c.id(ctx, s.Name)
	if err != nil {
		return "", err
	}
	return c.docker(ctx, append(command, id)...)
}

func (c *Project) id(ctx context.Context, name string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id, known := c.ids[name]; known {
		return id, nil
	}
	out, err := c.run(ctx, callLimit, "ps", "-a", "-q", name)
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

// Start starts the container again.
func (c *Project) Start(ctx context.Context, s *service.Service) error {
	_, err := c.container(ctx, s, "start")
	return err
}

// Kill ends the container by SIGKILL and returns when it is gone.
func (c *Project) Kill(s *service.Service) error {
	if !c.Alive(s) {
		return nil // docker refuses to kill what has ended
	}
	ctx := context.Background() // container bounds it
	if _, err := c.container(ctx, s, "kill", "-s", "SIGKILL"); err != nil {
		return err
	}
	_, err := c.container(ctx, s, "wait")
	return err
}

// Alive tells whether the container runs.
func (c *Project) Alive(s *service.Service) bool {
	running, err := c.inspect(context.Background(), s, "{{.State.Running}}") // container bounds it
	return err == nil && running == "true"
}

// Signal sends sig to the service.
func (c *Project) Signal(s *service.Service, sig syscall.Signal) error {
	_, err := c.container(context.Background(), s, "kill", "-s", strconv.Itoa(int(sig)))
	return err
}

// Stop ends the service by SIGTERM; an error means that it did not end well.
func (c *Project) Stop(ctx context.Context, s *service.Service) error {
	if _, err := c.container(ctx, s, "stop", "-t",
		strconv.Itoa(int(service.StopGrace.Seconds()))); err != nil {
		return err
	}
	code, err := c.inspect(ctx, s, "{{.State.ExitCode}}")
	if err == nil && code != "0" {
		err = fmt.Errorf("%s did not end well within %s after SIGTERM: exit code %s; its log ends with:\n%s",
			s.Name, service.StopGrace, code, c.tail(ctx, s, 20))
	}
	return err
}

// Ready asks /readyz from outside where there is a port outside, else Docker for the health check's
// result.
func (c *Project) Ready(ctx context.Context, s *service.Service) error {
	ctx, cancel := context.WithTimeout(ctx, service.ReadyLimit)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()

	for {
		state, err := c.inspect(ctx, s, "{{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}")
		switch {
		case err != nil:
		case !strings.HasPrefix(state, "running"):
			return fmt.Errorf("%s: its container is %s; its log ends with:\n%s",
				s.Name, state, c.tail(ctx, s, 20))
		case s.URL != "":
			err = service.Readyz(ctx, s.URL)
		case !strings.HasSuffix(state, " healthy"):
			err = fmt.Errorf("its container is %s", state)
		}
		if err == nil {
			return nil
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w; its log ends with:\n%s",
				s.Name, context.Cause(ctx), err, c.tail(ctx, s, 20))
		case <-tick.C:
		}
	}
}

func (c *Project) inspect(ctx context.Context, s *service.Service, format string) (string, error) {
	out, err := c.container(ctx, s, "inspect", "--format", format)
	return strings.TrimSpace(out), err
}

// LogTail returns the last lines of what the service has logged.
func (c *Project) LogTail(s *service.Service, lines int) string {
	return c.tail(context.Background(), s, lines)
}

// tail works after ctx has ended too: what it returns explains why something took too long.
func (c *Project) tail(ctx context.Context, s *service.Service, lines int) string {
	out, err := c.container(context.WithoutCancel(ctx), s, "logs", "--tail", strconv.Itoa(lines))
	if err != nil {
		return err.Error()
	}
	return out
}

// Another starts a further container of a service. The services share one network, whose ports were
// published when it was made, so this one listens there on a free port and has none outside.
func (c *Project) Another(
	ctx context.Context, binary, name string, env map[string]string,
) (*service.Service, error) {
	at, err := port.Free()
	if err != nil {
		return nil, err
	}

	s := &service.Service{Name: name, Binary: binary, Backend: c}
	container := c.Project + "-" + name
	args := []string{"run", "-d", "--no-deps", "--name", container, "-e", "HTTP_ADDR=" + port.Loopback(at)}
	for k, v := range env {
		args = append(args, "-e", k+"="+v)
	}
	if _, err := c.run(ctx, callLimit, append(args, binary)...); err != nil {
		return nil, err
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[name] = container
	c.further = append(c.further, container)
	return s, nil
}

// Exec is a command of the service's binary, in its container.
func (c *Project) Exec(ctx context.Context, s *service.Service, args []string) (*exec.Cmd, error) {
	id, err := c.id(ctx, s.Name)
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, "docker", append([]string{"exec", id, "/" + s.Binary}, args...)...), nil
}

// Close removes all containers and the volumes, and gives the run's directory back.
func (c *Project) Close(ctx context.Context) error {
	var errs []error
	for _, container := range c.further {
		_, err := c.docker(ctx, "rm", "-f", container)
		errs = append(errs, err)
	}
	errs = append(errs, c.Down(ctx, "-v", "-t", "0"))
	if err := errors.Join(errs...); err != nil {
		return err // the run's directory stays, with the project's name, for the next run to remove it
	}
	return c.Release()
}
