// Package compose runs servers and services as the containers of docker-compose.yml.
package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"settlement/e2e/stack/port"
	"settlement/e2e/stack/service"
	"settlement/e2e/stack/workspace"
)

const (
	answerLimit    = 10 * time.Second
	interruptGrace = 30 * time.Second // from SIGINT to SIGKILL of a docker command that is given up
	upLimit        = 10 * time.Minute // of `up --wait`: the first one builds and pulls images
	callLimit      = 90 * time.Second // of the short commands
	downLimit      = 2 * time.Minute
	pollInterval   = 50 * time.Millisecond
)

// Settings are what commands on one Compose project have in common; Compose would recreate
// containers if the ports differed from call to call.
type Settings struct {
	Project string // empty: the one of docker-compose.yml
	Order   int    // published ports, on 127.0.0.1
	Payment int
	Namesrv int
	Broker  int
	MySQL   int
	Config  service.Configuration
}

// Default has the ports that docker-compose.yml has by default, or those in the environment.
func Default() Settings {
	from := func(key string, otherwise int) int {
		if p, err := strconv.Atoi(os.Getenv(key)); err == nil {
			return p
		}
		return otherwise
	}
	return Settings{
		Order: from("ORDER_PORT", 8081), Payment: from("PAYMENT_PORT", 8082),
		Namesrv: from("NAMESRV_PORT", 9876), Broker: from("BROKER_PORT", 10911),
		MySQL: from("MYSQL_PORT", 3306),
	}
}

// Own has a project and free ports of its own.
func Own(project string) (Settings, error) {
	c := Settings{Project: project, Config: service.WithoutBalancer}
	var err error
	if c.Broker, err = port.Free(); err != nil {
		return c, err
	}
	for _, p := range []*int{&c.Order, &c.Payment, &c.Namesrv, &c.MySQL} {
		if *p, err = port.Free(); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Answers tells whether Docker and Compose answer.
func Answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	// The format needs an answer of the daemon; without it some versions exit with 0 and no daemon.
	out, err := exec.CommandContext(ctx, "docker", "info", "--format", "{{.ServerVersion}}").Output()
	if err != nil || strings.TrimSpace(string(out)) == "" {
		return false
	}
	return exec.CommandContext(ctx, "docker", "compose", "version").Run() == nil
}

// ErrAway says that Answers does not.
var ErrAway = errors.New("docker does not answer, or has no Compose (docker info, docker compose version)")

// Project is one Compose project: servers and services that are containers.
type Project struct {
	Settings
	Release func() error // gives the run's directory back; Close calls it

	w *workspace.Workspace

	mu      sync.Mutex
	ids     map[string]string // containers by the names of their services, as far as known
	further []string          // containers that Another has started, which Compose does not remove
}

// New starts nothing: see Up.
func New(w *workspace.Workspace, c Settings) *Project {
	return &Project{Settings: c, w: w, ids: map[string]string{}}
}

// Up starts the containers that do not run, and returns when all are healthy.
func (c *Project) Up(ctx context.Context) error {
	if err := MakeSecrets(c.w); err != nil {
		return err
	}
	began := time.Now()
	c.w.Say("docker compose: building images, starting containers")
	done := c.w.SayWhile(func() string { return "docker compose: still at it" })
	defer done()
	if _, err := c.run(ctx, upLimit, "up", "-d", "--wait", "--build"); err != nil {
		// More to the error, if there is more.
		logs, _ := c.run(context.WithoutCancel(ctx), callLimit, "logs", "--no-color", "--tail", "20")
		return fmt.Errorf("%w\n%s", err, logs)
	}
	c.w.Say("docker compose: up in %s", workspace.Since(began))
	return nil
}

// Down removes the containers; the volumes of the project that `make up` starts stay.
func (c *Project) Down(ctx context.Context, args ...string) error {
	_, err := c.run(ctx, downLimit, append([]string{"down", "--remove-orphans"}, args...)...)
	return err
}

// run runs one docker compose command on the project. A command that is given up is interrupted
// first, so that it can tell the daemon.
func (c *Project) run(ctx context.Context, limit time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	all := []string{"compose"}
	if c.Project != "" {
		all = append(all, "-p", c.Project)
	}
	return c.docker(ctx, append(all, args...)...)
}

func (c *Project) docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Dir = c.w.Root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = interruptGrace

	cmd.Env = append(
		os.Environ(),
		"ORDER_PORT="+strconv.Itoa(c.Order),
		"PAYMENT_PORT="+strconv.Itoa(c.Payment),
		"NAMESRV_PORT="+strconv.Itoa(c.Namesrv),
		"BROKER_PORT="+strconv.Itoa(c.Broker),
		"MYSQL_PORT="+strconv.Itoa(c.MySQL),
		"STOP_GRACE_PERIOD="+c.Config.StopGrace().String(),
	)
	// An empty one takes the default of docker-compose.yml, whatever our environment has.
	for _, name := range service.PassedOn {
		cmd.Env = append(cmd.Env, name+"="+c.Config[name])
	}

	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
