package servers

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"settlement/e2e/stack/process"
	"settlement/e2e/stack/testcheckout"
	"settlement/e2e/wait"
)

const (
	bootLimit = 5 * time.Minute // with a download
	gone      = time.Minute
)

// runner is `stack run --db mariadb` with a command that goes on until it is stopped.
type runner struct {
	cmd     *exec.Cmd
	server  string // host:port
	command int    // pid
}

// startRunner runs a script that prints the pid of the process that goes on, and the DSN. The
// script has no input, as in a CI, and no terminal.
func startRunner(t *testing.T, script string) runner {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "stack")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "settlement/e2e/cmd/stack").
		CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}

	r := runner{cmd: exec.CommandContext(t.Context(), binary,
		"run", "--db", "mariadb", "--", "sh", "-c", script)}
	r.cmd.Stderr = os.Stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}

	give := time.AfterFunc(bootLimit, func() { _ = r.cmd.Process.Kill() })
	defer give.Stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the command was not started: %v", err)
	}

	var dsn string
	if _, err := fmt.Sscan(line, &r.command, &dsn); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	r.server = c.Addr
	return r
}

func (r runner) expectAllGone(t *testing.T) {
	t.Helper()
	wait.Until(t, gone, func() error {
		if birth, err := process.BirthOf(r.command); err == nil {
			return fmt.Errorf("the command (pid %d, started %s) runs on", r.command, birth)
		}
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.server)
		if err == nil {
			_ = conn.Close()
			return fmt.Errorf("the server at %s runs on", r.server)
		}
		return nil
	})
}

func TestRunStopsEverythingAtSIGTERM(t *testing.T) {
	// A child of the command, as go test is of make, is the process that stays behind when only the
	// command is told.
	r := startRunner(t, `sleep 600 & echo $! "$TEST_MARIADB_DSN"; wait`)
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := r.cmd.Wait()
	if code := r.cmd.ProcessState.ExitCode(); code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d (%v), want that of a command ended by SIGTERM", code, err)
	}
	r.expectAllGone(t)
}

// This holds on Linux: elsewhere nothing ties a child to its parent (see process.DieWithParent).
func TestRunLeavesNoOrphanAtSIGKILL(t *testing.T) {
	r := startRunner(t, `echo $$ "$TEST_MARIADB_DSN"; exec sleep 600`)
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait()
	r.expectAllGone(t)
}

func TestRunForwardsTheExitCode(t *testing.T) {
	testcheckout.New(t)
	var log strings.Builder
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 128 + 9} {
		code, err := Run(t.Context(), RunOptions{Log: &log}, []string{"sh", "-c", script})
		if code != want || err != nil {
			t.Errorf("%s: exit code %d, %v; want %d", script, code, err, want)
		}
	}
}
