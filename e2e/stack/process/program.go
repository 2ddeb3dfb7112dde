package process

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"settlement/e2e/stack/port"
)

// Program says how one server or service is started.
type Program struct {
	Name string   // as the user knows it: "mysql", "broker", "payment-service"
	Path string   // the executable
	Args []string // without the executable
	Env  []string // KEY=VALUE, the whole environment
	Dir  string   // working directory
	Log  string   // file that gets stdout and stderr, appended

	Listens []string // host:port, each
}

// BaseEnv is what every child gets of our environment; the rest could change its behaviour.
func BaseEnv() []string {
	var env []string
	for _, k := range []string{"PATH", "HOME", "TMPDIR", "LANG", "JAVA_HOME"} {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return env
}

// PortsFree refuses to start p where another program has its port: p would end, and meanwhile the
// other program's answers could pass for p's.
func (p Program) PortsFree() error {
	for _, addr := range p.Listens {
		_, number, err := net.SplitHostPort(addr)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		if n, err := strconv.Atoi(number); err != nil || port.StaysTaken(n) {
			return fmt.Errorf("%s cannot start: another program has its port, %s; end that one, or choose other ports by make down and make up",
				p.Name, addr)
		}
	}
	return nil
}

func (p Program) command() (*exec.Cmd, error) {
	if err := os.MkdirAll(filepath.Dir(p.Log), 0o755); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	out, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	cmd := exec.Command(p.Path, p.Args...) //nolint:noctx // it outlives every call's context and is ended by Stop
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.Env, p.Dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	return cmd, nil
}
