package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

// commandGrace is what a command gets to end by itself after SIGINT or SIGTERM.
const commandGrace = 30 * time.Second

// RunCommand runs the command in a process group of its own, so that a SIGTERM to us reaches its
// children too (`go test` starts a process for every package). At a terminal it stays in ours,
// which Ctrl-C reaches anyway, because a group in the background may not read from the terminal.
func RunCommand(ctx context.Context, command, env []string) (int, error) {
	cmd := exec.Command(command[0], command[1:]...) //nolint:noctx // it gets a SIGTERM and time to end, below
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	ownGroup := !term.IsTerminal(int(os.Stdin.Fd()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: ownGroup}
	DieWithParent(cmd.SysProcAttr)

	if err := StartOnLastingThread(cmd); err != nil {
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
