// Package process starts programs as processes of the operating system, and asks, freezes and ends
// them.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// KillWait is the time for SIGKILL to take effect; only a process stuck in the kernel needs longer.
const KillWait = 10 * time.Second

// pollInterval is between two looks at something that is being waited for.
const pollInterval = 50 * time.Millisecond

// Record names one process for good. Its pid alone does not, since the system gives pids out again.
// The pid together with Birth, the moment at which the kernel started it, does.
type Record struct {
	Name  string
	PID   int
	Birth string
	Log   string
}

// Process is one running server.
type Process struct {
	Record

	ended chan struct{} // closed once reaped; nil for a process that another run started
	exit  error         // how it ended, once ended is closed
}

// Start runs p so that it dies with this process.
func Start(p Program) (*Process, error) {
	cmd, err := p.command()
	if err != nil {
		return nil, err
	}
	DieWithParent(cmd.SysProcAttr)
	return launch(cmd, p, nil)
}

// StartDetached runs p in a session of its own, to go on after this process. record is called with
// the process before p's program is executed: whatever kills us in between, nothing runs that is
// not recorded. The shell waits for one line and becomes the program in place, so that pid and
// birth stay; if we die before we write that line, it reads the end of the file and exits.
func StartDetached(p Program, record func(*Process) error) (*Process, error) {
	q := p
	q.Path = "/bin/sh"
	q.Args = append([]string{"-c", `read -r go && exec "$@" </dev/null`, "sh", p.Path}, p.Args...)
	cmd, err := q.command()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr.Setsid = true
	return launch(cmd, p, record)
}

func launch(cmd *exec.Cmd, p Program, record func(*Process) error) (*Process, error) {
	defer cmd.Stdout.(*os.File).Close()
	var gate *os.File
	if record != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", p.Name, err)
		}
		defer r.Close()
		defer w.Close()
		cmd.Stdin, gate = r, w
	}

	if err := StartOnLastingThread(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	birth, _ := BirthOf(cmd.Process.Pid) // gone already: the wait for it to be ready reports that
	run := &Process{
		Record: Record{Name: p.Name, PID: cmd.Process.Pid, Birth: birth, Log: p.Log},
		ended:  make(chan struct{}),
	}
	go func() {
		run.exit = cmd.Wait()
		close(run.ended)
	}()

	if record == nil {
		return run, nil
	}
	err := record(run)
	if err == nil {
		_, err = gate.WriteString("go\n")
	}
	if err != nil {
		gate.Close()
		return nil, fmt.Errorf("start %s: %w", p.Name, errors.Join(err, run.Stop(0)))
	}
	return run, nil
}

// Alive tells whether this very process still runs; another one with its pid does not count.
func (p *Process) Alive() bool {
	if p.ended != nil {
		select {
		case <-p.ended:
			return false
		default:
		}
	}
	birth, err := BirthOf(p.PID)
	return err == nil && birth == p.Birth
}

// Signal sends sig. A process that is gone is no error.
func (p *Process) Signal(sig syscall.Signal) error {
	if !p.Alive() {
		return nil
	}
	if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%s: send %s to pid %d: %w", p.Name, sig, p.PID, err)
	}
	return nil
}

// Stop asks with SIGTERM, waits up to grace, then kills. With no grace it kills at once. It returns
// when the process is gone. It takes no context: stopping must go on after a cancel.
func (p *Process) Stop(grace time.Duration) error {
	if grace > 0 {
		if err := p.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		if p.waitEnd(grace) {
			return nil
		}
	}

	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	if !p.waitEnd(KillWait) {
		return fmt.Errorf("%s: pid %d is still there %s after SIGKILL", p.Name, p.PID, KillWait)
	}
	return nil
}

// Exit waits until the process has ended, and says how. Only the run that started it can know.
func (p *Process) Exit() error {
	<-p.ended
	return p.exit
}

func (p *Process) waitEnd(limit time.Duration) bool {
	deadline := time.After(limit)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for p.Alive() {
		select {
		case <-p.ended:
			return true
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
	return true
}

// WaitReady polls ready until it returns nil, and gives up when the process ends, the limit passes
// or ctx is done. The error carries the last answer of ready and the end of the process's log.
func (p *Process) WaitReady(
	ctx context.Context, limit time.Duration, ready func(context.Context) error,
) error {
	caller := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready after %s", limit))
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()

	for {
		alive := p.Alive() // looked at first: ready may be answered by something else that has its port
		err := ready(ctx)
		if err == nil && alive {
			return nil
		}
		if caller.Err() != nil {
			// Not the server's fault: its log would mislead.
			return fmt.Errorf("%s: given up: %w; its last answer: %w", p.Name, context.Cause(caller), err)
		}
		if !alive {
			return fmt.Errorf("%s ended while it started; %s ends with:\n%s", p.Name, p.Log, Tail(p.Log, 20))
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w; %s ends with:\n%s", p.Name,
				context.Cause(ctx), err, p.Log, Tail(p.Log, 20))
		case <-tick.C:
		}
	}
}

// Tail returns the last lines of a file, at most 16 KB of them.
func Tail(path string, lines int) string {
	const limit = 16 << 10
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()

	buf := make([]byte, limit)
	if info, err := f.Stat(); err == nil && info.Size() > limit {
		_, _ = f.Seek(-limit, 2)
	}
	n, _ := f.Read(buf)

	var all []string
	for line := range strings.Lines(string(buf[:n])) {
		// RocketMQ's logging library tells of its own start, in a hundred lines that hide what
		// matters.
		if !strings.Contains(line, "|-INFO in ") && strings.TrimSpace(line) != "" {
			all = append(all, strings.TrimRight(line, "\n"))
		}
	}
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
