package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"
)

// commandGrace is what a command gets to end by itself after SIGINT or SIGTERM.
const commandGrace = 30 * time.Second

// RunOptions name the servers that Run starts.
type RunOptions struct {
	Databases []string // at most one MySQL and one MariaDB
	RocketMQ  bool
	C         bool      // make sure that there is a C compiler, which go test -race needs
	Log       io.Writer // progress, one line each
}

// Run starts the named servers on free ports of loopback, runs the command with their addresses in
// its environment (TEST_MYSQL_DSN, TEST_MARIADB_DSN: go-sql-driver DSNs of root without a database;
// TEST_MYSQL_KIND, TEST_MARIADB_KIND: which kind of server each is; TEST_NAMESRV_ADDR,
// TEST_BROKER_ADDR: host:port), and stops them when it has ended or ctx is done. It returns the
// command's exit code, 128 plus the signal's number when a signal ended it; the error is about the
// servers, or a command that could not be started.
func Run(ctx context.Context, o RunOptions, command []string) (code int, err error) {
	if err := o.check(); err != nil {
		return 1, err
	}
	w, err := newWorkspace(o.Log)
	if err != nil {
		return 1, err
	}
	if o.C {
		if err := w.provide(ctx, needC); err != nil {
			return 1, err
		}
	}

	dir, release, err := w.newRun(ctx, "run")
	if err != nil {
		return 1, err
	}
	s := &servers{w: w, dir: dir, launch: start}
	defer func() { err = errors.Join(err, s.kill(), release()) }()

	env, err := s.bootNamed(ctx, o)
	if err != nil {
		return 1, err
	}
	return runCommand(ctx, command, env)
}

func (o RunOptions) check() error {
	families := map[string]string{}
	for _, kind := range o.Databases {
		if err := checkKind(kind); err != nil {
			return err
		}
		if other, twice := families[family(kind)]; twice {
			return fmt.Errorf("--db %s and --db %s: tests know one server of that family", other, kind)
		}
		families[family(kind)] = kind
	}
	return nil
}

// bootNamed starts the servers that o names, side by side, and returns the environment that tells
// where they are.
func (s *servers) bootNamed(ctx context.Context, o RunOptions) ([]string, error) {
	group, ctx := errgroup.WithContext(ctx)
	var env []string
	var err error
	for _, kind := range o.Databases {
		var d databaseServer
		if d, err = newDatabaseServer(kind); err != nil {
			break
		}
		env = append(env, "TEST_"+family(kind)+"_DSN="+d.rootDSN(), "TEST_"+family(kind)+"_KIND="+kind)
		group.Go(func() error { return s.bootDatabase(ctx, d) })
	}

	if err == nil && o.RocketMQ {
		var r rocketmq
		if r, err = newRocketMQ(os.Getenv("ROCKETMQ")); err == nil {
			env = append(env, "TEST_NAMESRV_ADDR="+r.namesrvAddr(), "TEST_BROKER_ADDR="+r.brokerAddr())
			group.Go(func() error { return s.bootRocketMQ(ctx, r) })
		}
	}
	return env, errors.Join(err, group.Wait())
}

// StartDatabase starts a server of one of the kinds for the caller alone, for what cannot be done
// to a server that others use. args come on top of our own. It returns a go-sql-driver DSN of root
// without a database. stop ends the server and removes its data.
func StartDatabase(ctx context.Context, kind string, log io.Writer, args ...string) (dsn string, stop func() error, err error) {
	w, err := newWorkspace(log)
	if err != nil {
		return "", nil, err
	}
	dir, release, err := w.newRun(ctx, "own")
	if err != nil {
		return "", nil, err
	}

	s := &servers{w: w, dir: dir, launch: start}
	stop = func() error { return errors.Join(s.kill(), release()) }
	d, err := newDatabaseServer(kind)
	if err == nil {
		d.Args = args
		err = s.bootDatabase(ctx, d)
	}
	if err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return d.rootDSN(), stop, nil
}

// runCommand runs the command in a process group of its own, so that a SIGTERM to us reaches its
// children too (`go test` starts a process for every package). At a terminal it stays in ours, which
// Ctrl-C reaches anyway, because a group in the background may not read from the terminal.
func runCommand(ctx context.Context, command, env []string) (int, error) {
	cmd := exec.Command(command[0], command[1:]...) //nolint:noctx // it gets a SIGTERM and time to end, below
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	ownGroup := !term.IsTerminal(int(os.Stdin.Fd()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: ownGroup}
	dieWithParent(cmd.SysProcAttr)

	if err := startOnLastingThread(cmd); err != nil {
		return 127, fmt.Errorf("run %s: %w", command[0], err)
	}
	target := cmd.Process.Pid
	if ownGroup {
		target = -target
		defer func() { _ = syscall.Kill(target, syscall.SIGKILL) }() // what it left behind in its group
	}

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return exitCode(err)
	case <-ctx.Done():
	}

	_ = syscall.Kill(target, syscall.SIGTERM)
	select {
	case err := <-ended:
		return exitCode(err)
	case <-time.After(commandGrace):
		_ = syscall.Kill(target, syscall.SIGKILL)
		return exitCode(<-ended)
	}
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// UntilInterrupted returns a context that SIGINT, SIGTERM and SIGHUP cancel, and on Linux also the
// death of the parent: a `go run` that is killed by SIGTERM does not tell the program that it runs.
func UntilInterrupted() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	terminateWithParent()
	return ctx, stop
}
