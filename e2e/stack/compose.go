package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"settlement/e2e/stack/download"
	"settlement/e2e/stack/port"
	"settlement/e2e/stack/workspace"
)

const (
	dockerAnswerLimit = 10 * time.Second
	composeInterrupt  = 30 * time.Second // from SIGINT to SIGKILL of a docker command that is given up
	composeWait       = 10 * time.Minute // of `up --wait`: the first one builds and pulls images
	composeCall       = 90 * time.Second // of the short commands
	containerPoll     = 50 * time.Millisecond
)

// composeSettings are what commands on one Compose project have in common; Compose would recreate
// containers if the ports differed from call to call.
type composeSettings struct {
	Project string // empty: the one of docker-compose.yml
	Order   int    // published ports, on 127.0.0.1
	Payment int
	Namesrv int
	Broker  int
	MySQL   int
	Config  configuration
}

// defaultCompose has the ports that docker-compose.yml has by default, or those in the environment.
func defaultCompose() composeSettings {
	port := func(key string, otherwise int) int {
		if p, err := strconv.Atoi(os.Getenv(key)); err == nil {
			return p
		}
		return otherwise
	}
	return composeSettings{
		Order: port("ORDER_PORT", 8081), Payment: port("PAYMENT_PORT", 8082),
		Namesrv: port("NAMESRV_PORT", 9876), Broker: port("BROKER_PORT", 10911), MySQL: port("MYSQL_PORT", 3306),
	}
}

// ownCompose has a project and free ports of its own.
func ownCompose(project string) (composeSettings, error) {
	c := composeSettings{Project: project, Config: withoutBalancer}
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

// runsOnCompose decides between containers and processes. Containers have one database server only.
func runsOnCompose(ctx context.Context, o Options) bool {
	if o.On != OnAuto {
		return o.On == OnCompose
	}
	return o.composeHas() && dockerAnswers(ctx)
}

// composeHas says that docker-compose.yml has the servers that were chosen.
func (o Options) composeHas() bool {
	return (o.DB == "" || o.DB == "mysql") && (o.RocketMQ == "" || o.RocketMQ == download.RocketMQDefault)
}

func dockerAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, dockerAnswerLimit)
	defer cancel()
	// The format needs an answer of the daemon; without it some versions exit with 0 and no daemon.
	out, err := exec.CommandContext(ctx, "docker", "info", "--format", "{{.ServerVersion}}").Output()
	if err != nil || strings.TrimSpace(string(out)) == "" {
		return false
	}
	return exec.CommandContext(ctx, "docker", "compose", "version").Run() == nil
}

var errDockerAway = errors.New("docker does not answer, or has no Compose (docker info, docker compose version)")

// compose is the backend whose servers and services are containers.
type compose struct {
	composeSettings
	w       *workspace.Workspace
	release func() error // gives the run's directory back

	mu      sync.Mutex
	ids     map[string]string // containers by the names of their services, as far as known
	further []string          // containers that the method another has started, which Compose does not remove
}

func newCompose(w *workspace.Workspace, c composeSettings) *compose {
	return &compose{composeSettings: c, w: w, ids: map[string]string{}}
}

func upCompose(ctx context.Context, w *workspace.Workspace, o Options) (*Stack, error) {
	if !o.composeHas() {
		return nil, errors.New("DB and ROCKETMQ choose the servers of a native stack; docker-compose.yml has its own: unset them or take STACK=native")
	}
	run, err := w.NewRun(ctx, "compose")
	if err != nil {
		return nil, err
	}

	project := "settlement-" + strings.ToLower(filepath.Base(run.Dir))
	settings, err := ownCompose(project)
	if err != nil {
		return nil, errors.Join(err, run.Release())
	}
	c := newCompose(w, settings)
	c.release = run.Release

	err = run.OwnProject(project)
	if err == nil {
		err = c.up(ctx)
	}
	var addresses Addresses
	if err == nil {
		addresses, err = c.addresses()
	}
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return nil, errors.Join(err, c.close(cleanup))
	}
	return newStack(OnCompose, "mysql", addresses, c), nil
}

func (st *state) leaveUpCompose(ctx context.Context) (Addresses, bool, error) {
	c := newCompose(st.w, st.Compose)
	// Docker is asked before anything is recorded: a stack that was never started need not be taken
	// down.
	if !dockerAnswers(ctx) {
		return Addresses{}, false, errDockerAway
	}

	if err := st.save(); err != nil {
		return Addresses{}, false, err
	}
	if err := c.up(ctx); err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if err2 := c.down(cleanup); err2 != nil {
			return Addresses{}, false, errors.Join(err, err2) // still recorded, for make down
		}
		return Addresses{}, false, errors.Join(err, forget(st.w))
	}

	if err := build(ctx, st.w); err != nil { // the command line runs out here too
		return Addresses{}, false, err
	}

	addresses, err := c.addresses()
	return addresses, true, err
}

// takeDownCompose removes the containers. Where Docker has gone, it cannot tell us of any container
// of ours, and a record that could not be removed would keep every later start from its work.
func (st *state) takeDownCompose(ctx context.Context) error {
	err := newCompose(st.w, st.Compose).down(ctx)
	if err != nil && !dockerAnswers(ctx) {
		st.w.Say("%v: should containers be left when it is back, 'docker compose down' removes them", errDockerAway)
		return nil
	}
	return err
}

func (c *compose) addresses() (Addresses, error) {
	dsn := func(name, file string) (string, error) {
		password, err := secret(c.w, file)
		a := account{Database: name, User: name, Password: password}
		return a.dsn(port.Loopback(c.MySQL)), err
	}

	orders, err := dsn("orders", ordersSecret)
	if err != nil {
		return Addresses{}, err
	}
	payments, err := dsn("payments", paymentsSecret)
	return Addresses{
		OrderURL: "http://" + port.Loopback(c.Order), PaymentURL: "http://" + port.Loopback(c.Payment),
		NamesrvAddr: port.Loopback(c.Namesrv), BrokerAddr: port.Loopback(c.Broker),
		OrderDSN: orders, PaymentDSN: payments,
	}, err
}

func (c *compose) up(ctx context.Context) error {
	if err := makeSecrets(c.w); err != nil {
		return err
	}
	began := time.Now()
	c.w.Say("docker compose: building images, starting containers")
	done := c.w.SayWhile(func() string { return "docker compose: still at it" })
	defer done()
	if _, err := c.run(ctx, composeWait, "up", "-d", "--wait", "--build"); err != nil {
		logs, _ := c.run(context.WithoutCancel(ctx), composeCall, "logs", "--no-color", "--tail", "20") // more to the error, if there is more
		return fmt.Errorf("%w\n%s", err, logs)
	}
	c.w.Say("docker compose: up in %s", workspace.Since(began))
	return nil
}

// down removes the containers; the volumes of the project that `make up` starts stay.
func (c *compose) down(ctx context.Context, args ...string) error {
	_, err := c.run(ctx, closeTimeout, append([]string{"down", "--remove-orphans"}, args...)...)
	return err
}

// run runs one docker compose command on the project. A command that is given up is interrupted
// first, so that it can tell the daemon.
func (c *compose) run(ctx context.Context, limit time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	all := []string{"compose"}
	if c.Project != "" {
		all = append(all, "-p", c.Project)
	}
	return c.docker(ctx, append(all, args...)...)
}

func (c *compose) docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Dir = c.w.Root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = composeInterrupt

	cmd.Env = append(
		os.Environ(),
		"ORDER_PORT="+strconv.Itoa(c.Order),
		"PAYMENT_PORT="+strconv.Itoa(c.Payment),
		"NAMESRV_PORT="+strconv.Itoa(c.Namesrv),
		"BROKER_PORT="+strconv.Itoa(c.Broker),
		"MYSQL_PORT="+strconv.Itoa(c.MySQL),
		"STOP_GRACE_PERIOD="+c.Config.stopGrace().String(),
	)
	for _, name := range passedOn { // an empty one takes the default of docker-compose.yml, whatever our environment has
		cmd.Env = append(cmd.Env, name+"="+c.Config[name])
	}

	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
