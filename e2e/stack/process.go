package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	killWait     = 10 * time.Second      // for SIGKILL to take effect; only a process stuck in the kernel needs longer
	pollInterval = 50 * time.Millisecond // between two looks at something that is being waited for
)

// program says how one server or service is started.
type program struct {
	name string   // as the user knows it: "mysql", "broker", "payment-service"
	path string   // the executable
	args []string // without the executable
	env  []string // KEY=VALUE, the whole environment
	dir  string   // working directory
	log  string   // file that gets stdout and stderr, appended

	listens []string // host:port, each
}

// process is one running server. Its pid alone does not name it, since the system gives pids out
// again. The pid together with birth, the moment at which the kernel started it, does.
type process struct {
	name  string
	pid   int
	birth string
	log   string

	ended chan struct{} // closed once reaped; nil for a process that another run started
	exit  error         // how it ended, once ended is closed
}

// start runs p so that it dies with this process.
func start(p program) (*process, error) {
	cmd, err := command(p)
	if err != nil {
		return nil, err
	}
	dieWithParent(cmd.SysProcAttr)
	return launch(cmd, p, nil)
}

// startDetached runs p in a session of its own, to go on after this process. record is called with
// the process before p's program is executed: whatever kills us in between, nothing runs that is
// not recorded. The shell waits for one line and becomes the program in place, so that pid and
// birth stay; if we die before we write that line, it reads the end of the file and exits.
func startDetached(p program, record func(*process) error) (*process, error) {
	q := p
	q.path = "/bin/sh"
	q.args = append([]string{"-c", `read -r go && exec "$@" </dev/null`, "sh", p.path}, p.args...)
	cmd, err := command(q)
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr.Setsid = true
	return launch(cmd, p, record)
}

func command(p program) (*exec.Cmd, error) {
	if err := os.MkdirAll(filepath.Dir(p.log), 0o755); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	cmd := exec.Command(p.path, p.args...) //nolint:noctx // it outlives every call's context and is ended by stop
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.env, p.dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	return cmd, nil
}

func launch(cmd *exec.Cmd, p program, record func(*process) error) (*process, error) {
	defer cmd.Stdout.(*os.File).Close()
	var gate *os.File
	if record != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", p.name, err)
		}
		defer r.Close()
		defer w.Close()
		cmd.Stdin, gate = r, w
	}

	if err := startOnLastingThread(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	birth, _ := birthOf(cmd.Process.Pid) // gone already: the wait for it to be ready reports that
	run := &process{name: p.name, pid: cmd.Process.Pid, birth: birth, log: p.log, ended: make(chan struct{})}
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
		return nil, fmt.Errorf("start %s: %w", p.name, errors.Join(err, run.stop(0)))
	}
	return run, nil
}

// startOnLastingThread starts cmd from a thread that lives as long as this process. Linux kills a
// child with Pdeathsig when the *thread* that forked it exits, and Go ends a thread whose goroutine
// returns while locked to it; any goroutine of a test may do that.
func startOnLastingThread(cmd *exec.Cmd) error {
	failed := make(chan error, 1)
	lastingThread() <- func() { failed <- cmd.Start() }
	return <-failed
}

var lastingThread = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// alive tells whether this very process still runs; another one with its pid does not count.
func (p *process) alive() bool {
	if p.ended != nil {
		select {
		case <-p.ended:
			return false
		default:
		}
	}
	birth, err := birthOf(p.pid)
	return err == nil && birth == p.birth
}

// signal sends sig. A process that is gone is no error.
func (p *process) signal(sig syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%s: send %s to pid %d: %w", p.name, sig, p.pid, err)
	}
	return nil
}

// stop asks with SIGTERM, waits up to grace, then kills. With no grace it kills at once. It returns
// when the process is gone. It takes no context: stopping must go on after a cancel.
func (p *process) stop(grace time.Duration) error {
	if grace > 0 {
		if err := p.signal(syscall.SIGTERM); err != nil {
			return err
		}
		if p.waitEnd(grace) {
			return nil
		}
	}

	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	if !p.waitEnd(killWait) {
		return fmt.Errorf("%s: pid %d is still there %s after SIGKILL", p.name, p.pid, killWait)
	}
	return nil
}

func (p *process) waitEnd(limit time.Duration) bool {
	deadline := time.After(limit)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for p.alive() {
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

// waitReady polls ready until it returns nil, and gives up when the process ends, the limit passes
// or ctx is done. The error carries the last answer of ready and the end of the process's log.
func (p *process) waitReady(ctx context.Context, limit time.Duration, ready func(context.Context) error) error {
	caller := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready after %s", limit))
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()

	for {
		alive := p.alive() // looked at first: ready may be answered by something else that has its port
		err := ready(ctx)
		if err == nil && alive {
			return nil
		}
		if caller.Err() != nil {
			return fmt.Errorf("%s: given up: %w; its last answer: %w", p.name, context.Cause(caller), err) // not the server's fault: its log would mislead
		}
		if !alive {
			return fmt.Errorf("%s ended while it started; %s ends with:\n%s", p.name, p.log, tail(p.log, 20))
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w; %s ends with:\n%s", p.name, context.Cause(ctx), err, p.log, tail(p.log, 20))
		case <-tick.C:
		}
	}
}

// tail returns the last lines of a file, at most 16 KB of them.
func tail(path string, lines int) string {
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
		// RocketMQ's logging library tells of its own start, in a hundred lines that hide what matters.
		if !strings.Contains(line, "|-INFO in ") && strings.TrimSpace(line) != "" {
			all = append(all, strings.TrimRight(line, "\n"))
		}
	}
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
