package stack

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"settlement/e2e/stack/service"
	"settlement/e2e/stack/testcheckout"
	"settlement/e2e/stack/workspace"
	"settlement/e2e/wait"
)

const (
	bootLimit = 5 * time.Minute // with a download
	gone      = time.Minute
)

// copyOfCheckout is this checkout under another name, with the downloads and nothing else of its
// .run.
func copyOfCheckout(t *testing.T) *workspace.Workspace {
	t.Helper()
	real, err := workspace.Find(nil)
	if err != nil {
		t.Fatal(err)
	}

	w := testcheckout.New(t)
	if err := os.Remove(filepath.Join(w.Root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"go.mod", "go.sum", "migrations", "order-service", "payment-service", "shared", ".run/cache",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(w.Root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(real.Root, name), filepath.Join(w.Root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// TestUp is `make up` on native servers, as people and their programs meet it.
func TestUp(t *testing.T) {
	w := copyOfCheckout(t)
	log := &testcheckout.Lines{}
	o := Options{On: OnNative, Log: log}

	for _, name := range service.PassedOn {
		t.Setenv(name, "")
	}
	t.Setenv("LOG_LEVEL", "debug")
	t.Setenv("CONSUME_BATCH_MAX", "7")
	t.Setenv("SHUTDOWN_DELAY", "0s")
	t.Setenv("WEBHOOK_URL", "http://127.0.0.1:1/notices?a=1&b=2")
	t.Setenv("WEBHOOK_SECRET", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz")
	if err := LeaveUp(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = TakeDown(t.Context(), o) })

	t.Run("the services have what was set", func(t *testing.T) {
		st, err := readState(w)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range st.living() {
			if p.Name != service.Order && p.Name != service.Payment {
				continue
			}
			env := environmentOf(t, p.PID)
			if !strings.Contains(env, "LOG_LEVEL=debug") || !strings.Contains(env, "CONSUME_BATCH_MAX=7") {
				t.Errorf("%s runs with %q", p.Name, env)
			}
			if !strings.Contains(env, "WEBHOOK_URL=http://127.0.0.1:1/notices?a=1&b=2\x00") {
				t.Errorf("%s has no webhook", p.Name)
			}
		}
	})

	t.Run("it says where everything is", func(t *testing.T) {
		for _, want := range []string{
			"logs: .run/up/mysql/logs/", "broker store: .run/up/mysql/broker/store",
			"mqadmin: .run/bin/mqadmin",
		} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%q is not in\n%s", want, log)
			}
		}
		if _, err := os.Stat(filepath.Join(w.Root, ".run", "up",
			"mysql", "broker", "store", "commitlog")); err != nil {
			t.Error(err)
		}
		// A JVM that has to compile itself first may be too slow for its own timeout.
		wait.Until(t, bootLimit, func() error {
			out, err := exec.CommandContext(t.Context(), ".run/bin/mqadmin", "topicList").CombinedOutput()
			if err != nil || !strings.Contains(string(out), "settlement\n") ||
				strings.Contains(string(out), "|-INFO") {
				return fmt.Errorf("mqadmin topicList: %v\n%s", err, tailOf(out)) //nolint:errorlint // err can be nil
			}
			return nil
		})
	})

	t.Run("the command line works", func(t *testing.T) {
		if out := shell(t,
			`set -a; . .run/stack.env; .run/bin/payment-service parked list`); strings.Contains(out, "rror") {
			t.Errorf("parked list answers\n%s", out)
		}
		if out := shell(t,
			`set -a; . .run/stack.env; DB_PASSWORD=$ORDER_DB_PASSWORD .run/bin/order-service parked list`); strings.Contains(out, "rror") {
			t.Errorf("order-service's parked list answers\n%s", out)
		}
		shell(t, `set -a; . .run/stack.env; .run/bin/payment-service audit`)
	})

	t.Run("another wish is refused", func(t *testing.T) {
		t.Setenv("LOG_LEVEL", "warn")
		if err := LeaveUp(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another LOG_LEVEL") {
			t.Errorf("up answers %v, want that the stack has another LOG_LEVEL", err)
		}
	})
	t.Run("a port that somebody else has is a failure", func(t *testing.T) { takePort(t, w, o) })
}

// takePort ends payment-service and puts another program at its port, which says that it is ready.
func takePort(t *testing.T, w *workspace.Workspace, o Options) {
	st, err := readState(w)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range st.living() {
		if p.Name == service.Payment {
			if err := p.Stop(service.StopGrace); err != nil {
				t.Fatal(err)
			}
		}
	}

	var other net.Listener
	wait.Until(t, gone, func() (err error) {
		other, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", st.Settings.PayAt)
		return err
	})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Listener = other
	server.Start()

	err = LeaveUp(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(),
		fmt.Sprintf("payment-service cannot start: another program has its port, %s", st.Settings.PayAt)) {
		t.Errorf("up answers %v, want that the port is taken", err)
	}

	server.Close()
	if err := LeaveUp(t.Context(), o); err != nil {
		t.Errorf("with the port free again: %v", err)
	}
}

func environmentOf(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func tailOf(out []byte) []byte { return out[max(0, len(out)-1000):] }

func shell(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}
