package stack

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"settlement/e2e/stack/port"
	"settlement/e2e/stack/process"
	"settlement/e2e/stack/servers"
	"settlement/e2e/stack/service"
	"settlement/e2e/stack/workspace"
	"settlement/shared/settlement"
)

// settings are all that has to be chosen before a native stack is started, and kept to start a part
// of it again.
type settings struct {
	Database database
	RocketMQ servers.RocketMQ
	Orders   service.Account
	Payments service.Account
	OrderAt  string // host:port of order-service
	PayAt    string // host:port of payment-service
	Config   service.Configuration
}

// newSettings picks ports and passwords. suffix is added to the names of databases and users.
func newSettings(o Options, suffix string) (settings, error) {
	var s settings
	var err error
	if s.Database, err = newDatabase(o.DB); err != nil {
		return s, err
	}
	if s.RocketMQ, err = servers.NewRocketMQ(o.RocketMQ); err != nil {
		return s, err
	}

	s.Orders, s.Payments = service.NewAccount("orders", suffix), service.NewAccount("payments", suffix)
	for _, at := range []*string{&s.OrderAt, &s.PayAt} {
		free, err := port.Free()
		if err != nil {
			return s, err
		}
		*at = port.Loopback(free)
	}
	return s, nil
}

func (s settings) addresses() (Addresses, error) {
	db, err := s.Database.addr()
	return Addresses{
		OrderURL: "http://" + s.OrderAt, PaymentURL: "http://" + s.PayAt,
		NamesrvAddr: s.RocketMQ.NamesrvAddr(), BrokerAddr: s.RocketMQ.BrokerAddr(),
		OrderDSN: s.Orders.DSN(db), PaymentDSN: s.Payments.DSN(db),
	}, err
}

// native is the backend whose servers and services are processes.
type native struct {
	settings
	*servers.Set
	release func() error // gives the run's directory back; nil for the stack that stays up
	options Options
	env     map[string]map[string]string // what Options.Env said
}

// upNative starts a stack that dies with this process.
func upNative(ctx context.Context, w *workspace.Workspace, o Options) (*Stack, error) {
	run, err := w.NewRun(ctx, "stack")
	if err != nil {
		return nil, err
	}

	n := &native{
		Set:     &servers.Set{Workspace: w, Dir: run.Dir, Launch: process.Start},
		release: run.Release, options: o,
	}
	suffix := ""
	if o.DB != "" && !servers.HasKind(o.DB) {
		suffix = "_" + workspace.ShortHash([]byte(run.Dir)) // on a server that others use too
	}
	if n.settings, err = newSettings(o, suffix); err != nil {
		return nil, errors.Join(err, run.Release())
	}
	n.Config = service.WithoutBalancer

	addresses, err := n.addresses()
	if err == nil {
		err = n.boot(ctx)
	}
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return nil, errors.Join(err, n.Close(cleanup))
	}
	return newStack(OnNative, n.Database.Kind, addresses, n), nil
}

// topicsLimit is how long a busy broker may take to create the topics.
const topicsLimit = 2 * time.Minute

func (n *native) createTopics(ctx context.Context) error {
	return n.Find(Broker).WaitReady(ctx, topicsLimit, n.RocketMQ.CreateTopics)
}

// boot starts whatever does not run yet and returns when all of it is ready.
func (n *native) boot(ctx context.Context) error {
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error {
		if n.Database.Kind != "dsn" {
			if err := n.BootDatabase(inner, n.Database.Server); err != nil {
				return err
			}
		}
		return service.CreateAccounts(inner, n.Database.Admin, n.Orders, n.Payments)
	})
	group.Go(func() error {
		if err := n.BootRocketMQ(inner, n.RocketMQ); err != nil {
			return err
		}
		return n.createTopics(inner)
	})
	group.Go(func() error {
		if n.options.Bin != "" || n.runs(service.Order) && n.runs(service.Payment) {
			return nil
		}
		return service.Build(inner, n.Workspace)
	})

	if err := group.Wait(); err != nil {
		return err
	}
	if err := n.askEnv(); err != nil {
		return err
	}

	group, inner = errgroup.WithContext(ctx)
	for _, name := range []string{service.Order, service.Payment} {
		group.Go(func() error { return n.bootService(inner, name) })
	}
	return group.Wait()
}

func (n *native) askEnv() error {
	if n.options.Env == nil {
		return nil
	}
	addresses, err := n.addresses()
	if err != nil {
		return err
	}
	n.env, err = n.options.Env(addresses)
	return err
}

func (n *native) runs(name string) bool {
	p := n.Find(name)
	return p != nil && p.Alive()
}

func (n *native) bootService(ctx context.Context, name string) error {
	p, err := n.program(name, name, nil)
	if err != nil {
		return err
	}
	url := "http://" + n.at(name)
	return n.Boot(ctx, p, url, func(ctx context.Context) error { return service.Readyz(ctx, url) })
}

func (n *native) at(binary string) string {
	if binary == service.Order {
		return n.OrderAt
	}
	return n.PayAt
}

// program says how an instance of a service is started; extra comes last and so wins.
func (n *native) program(binary, name string, extra []string) (process.Program, error) {
	a := n.Orders
	if binary == service.Payment {
		a = n.Payments
	}
	db, err := n.Database.addr()
	if err != nil {
		return process.Program{}, err
	}

	bin := n.options.Bin
	if bin == "" {
		bin = n.Workspace.Path("bin")
	}

	env := append(
		process.BaseEnv(),
		"HTTP_ADDR="+n.at(binary),
		"DB_ADDR="+db,
		"DB_NAME="+a.Database,
		"DB_USER="+a.User,
		"DB_PASSWORD="+a.Password,
		"NAMESRV_ADDR="+n.RocketMQ.NamesrvAddr(),
		"SETTLEMENT_QUEUES="+strconv.Itoa(settlement.DefaultQueues),
		"OUTCOME_QUEUES="+strconv.Itoa(settlement.DefaultQueues),
		"POINTS_QUEUES="+strconv.Itoa(settlement.PointsQueues),
	)
	env = append(env, n.Config.Env()...)
	for k, v := range n.env[binary] {
		env = append(env, k+"="+v)
	}

	return process.Program{
		Name: name, Path: filepath.Join(bin, binary), Env: append(env, extra...), Dir: n.Dir,
		Log: filepath.Join(n.Dir, "logs", name+".log"), Listens: []string{n.at(binary)},
	}, nil
}

func (n *native) Start(_ context.Context, s *service.Service) error {
	if n.runs(s.Name) {
		return fmt.Errorf("start %s: it runs", s.Name)
	}
	p, err := n.program(s.Binary, s.Name, s.Env)
	if err != nil {
		return err
	}
	run, err := n.Launch(p)
	if err != nil {
		return err
	}
	n.Add(run)
	return nil
}

func (n *native) Kill(s *service.Service) error {
	p, err := n.started(s)
	if err != nil {
		return err
	}
	return p.Stop(0)
}

func (n *native) Alive(s *service.Service) bool { return n.runs(s.Name) }

func (n *native) Signal(s *service.Service, sig syscall.Signal) error {
	p, err := n.started(s)
	if err != nil {
		return err
	}
	return p.Signal(sig)
}

func (n *native) Stop(_ context.Context, s *service.Service) error {
	p, err := n.started(s)
	if err != nil {
		return err
	}
	if !p.Alive() {
		return nil
	}

	if err := p.Stop(service.StopGrace); err != nil {
		return err
	}
	if exit := p.Exit(); exit != nil {
		return fmt.Errorf("%s did not end well within %s after SIGTERM: %w; its log ends with:\n%s", s.Name,
			service.StopGrace, exit, n.LogTail(s, 20))
	}
	return nil
}

func (n *native) Ready(ctx context.Context, s *service.Service) error {
	p, err := n.started(s)
	if err != nil {
		return err
	}
	return p.WaitReady(ctx, service.ReadyLimit,
		func(ctx context.Context) error { return service.Readyz(ctx, s.URL) })
}

func (n *native) started(s *service.Service) (*process.Process, error) {
	if p := n.Find(s.Name); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%s was never started", s.Name)
}

func (n *native) LogTail(s *service.Service, lines int) string {
	return process.Tail(filepath.Join(n.Dir, "logs", s.Name+".log"), lines)
}

func (n *native) Another(
	ctx context.Context, binary, name string, env map[string]string,
) (*service.Service, error) {
	free, err := port.Free()
	if err != nil {
		return nil, err
	}
	s := &service.Service{Name: name, URL: "http://" + port.Loopback(free), Binary: binary, Backend: n}
	s.Env = []string{"HTTP_ADDR=" + port.Loopback(free)}
	for k, v := range env {
		s.Env = append(s.Env, k+"="+v)
	}
	slices.Sort(s.Env[1:])
	return s, n.Start(ctx, s)
}

func (n *native) Exec(ctx context.Context, s *service.Service, args []string) (*exec.Cmd, error) {
	p, err := n.program(s.Binary, s.Name, s.Env)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, p.Path, args...)
	cmd.Env, cmd.Dir = p.Env, p.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	process.DieWithParent(cmd.SysProcAttr)
	return cmd, nil
}

// close ends all at once, since the data goes as well. On a server that runs on, databases and
// users are dropped.
func (n *native) Close(ctx context.Context) error {
	err := n.Set.Kill()
	if n.Database.Kind == "dsn" {
		err = errors.Join(err, service.DropAccounts(ctx, n.Database.Admin, n.Orders, n.Payments))
	}
	return errors.Join(err, n.release())
}
