// Command stack runs things on real servers on loopback: see usage.
package main

import (
	"flag"
	"fmt"
	"os"

	"settlement/e2e/stack"
	"settlement/e2e/stack/compose"
	"settlement/e2e/stack/process"
	"settlement/e2e/stack/servers"
	"settlement/e2e/stack/workspace"
)

const usage = `usage:
  stack run [--db KIND]... [--rocketmq] [--cc] -- COMMAND ARGS...
        start the named servers, run COMMAND with TEST_MYSQL_DSN, TEST_MARIADB_DSN,
        TEST_NAMESRV_ADDR and TEST_BROKER_ADDR in its environment, stop them;
        KIND is mysql (8.0.12), mysql9 (9.7), mariadb (the system's) or mariadb11 (11.8);
        --cc sees to a C compiler, which go test -race needs
  stack up
        start everything and leave it running; addresses go to .run/stack.env
  stack down
        stop what up has started
  stack secrets
        make the password files of docker-compose.yml that are missing

environment of up:
  STACK=auto|native|compose     containers where Docker answers, else native servers
  DB=KIND|DSN                   database of a native stack; a DSN like root:password@tcp(host:port)/
                                names a running server and a user who may create databases and users
  ROCKETMQ=5.4.0|5.5.0          name server and broker of a native stack, and of run
  CONSUME_BATCH_MAX, LOG_LEVEL, SHUTDOWN_DELAY, SHUTDOWN_TIMEOUT,
  WEBHOOK_URL, WEBHOOK_SECRET, WEBHOOK_SECRET_FILE
                                go to the services, see shared/config/README.md
`

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "stack:", err)
	}
	if err != nil && code == 0 {
		code = 1
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	if len(args) == 0 {
		return 2, fmt.Errorf("no command\n%s", usage)
	}
	if args[0] == "run" {
		return runWith(args[1:])
	}
	if len(args) > 1 {
		return 2, fmt.Errorf("%s takes no arguments\n%s", args[0], usage)
	}

	ctx, stop := process.UntilInterrupted()
	defer stop()
	switch args[0] {
	case "up":
		return 0, stack.LeaveUp(ctx, stack.Options{})
	case "down":
		return 0, stack.TakeDown(ctx, stack.Options{})
	case "secrets":
		w, err := workspace.Find(os.Stderr)
		if err != nil {
			return 1, err
		}
		return 0, compose.MakeSecrets(w)
	default:
		return 2, fmt.Errorf("unknown command %q\n%s", args[0], usage)
	}
}

func runWith(args []string) (int, error) {
	o := servers.RunOptions{Log: os.Stderr}
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flags.Func("db", "start a database server of this kind", func(kind string) error {
		o.Databases = append(o.Databases, kind)
		return nil
	})
	flags.BoolVar(&o.RocketMQ, "rocketmq", false, "start a name server and a broker")
	flags.BoolVar(&o.C, "cc", false, "install a C compiler where there is none")

	if err := flags.Parse(args); err != nil {
		return 2, err
	}
	if flags.NArg() == 0 {
		return 2, fmt.Errorf("run: no COMMAND after --\n%s", usage)
	}

	ctx, stop := process.UntilInterrupted()
	defer stop()
	return servers.Run(ctx, o, flags.Args())
}
