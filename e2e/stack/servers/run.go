package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"settlement/e2e/stack/needs"
	"settlement/e2e/stack/process"
	"settlement/e2e/stack/workspace"
)

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
	w, err := workspace.Find(o.Log)
	if err != nil {
		return 1, err
	}
	if o.C {
		if err := needs.Provide(ctx, w, needs.C); err != nil {
			return 1, err
		}
	}

	run, err := w.NewRun(ctx, "run")
	if err != nil {
		return 1, err
	}
	s := &Set{Workspace: w, Dir: run.Dir, Launch: process.Start}
	defer func() { err = errors.Join(err, s.Kill(), run.Release()) }()

	env, err := s.bootNamed(ctx, o)
	if err != nil {
		return 1, err
	}
	return process.RunCommand(ctx, command, env)
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
func (s *Set) bootNamed(ctx context.Context, o RunOptions) ([]string, error) {
	group, ctx := errgroup.WithContext(ctx)
	var env []string
	var err error
	for _, kind := range o.Databases {
		var d Database
		if d, err = NewDatabase(kind); err != nil {
			break
		}
		env = append(env, "TEST_"+family(kind)+"_DSN="+d.RootDSN(), "TEST_"+family(kind)+"_KIND="+kind)
		group.Go(func() error { return s.BootDatabase(ctx, d) })
	}

	if err == nil && o.RocketMQ {
		var r RocketMQ
		if r, err = NewRocketMQ(os.Getenv("ROCKETMQ")); err == nil {
			env = append(env, "TEST_NAMESRV_ADDR="+r.NamesrvAddr(), "TEST_BROKER_ADDR="+r.BrokerAddr())
			group.Go(func() error { return s.BootRocketMQ(ctx, r) })
		}
	}
	return env, errors.Join(err, group.Wait())
}

// StartDatabase starts a server of one of the kinds for the caller alone, for what cannot be done
// to a server that others use. args come on top of our own. It returns a go-sql-driver DSN of root
// without a database. stop ends the server and removes its data.
func StartDatabase(
	ctx context.Context, kind string, log io.Writer, args ...string,
) (dsn string, stop func() error, err error) {
	w, err := workspace.Find(log)
	if err != nil {
		return "", nil, err
	}
	run, err := w.NewRun(ctx, "own")
	if err != nil {
		return "", nil, err
	}

	s := &Set{Workspace: w, Dir: run.Dir, Launch: process.Start}
	stop = func() error { return errors.Join(s.Kill(), run.Release()) }
	d, err := NewDatabase(kind)
	if err == nil {
		d.Args = args
		err = s.BootDatabase(ctx, d)
	}
	if err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return d.RootDSN(), stop, nil
}
