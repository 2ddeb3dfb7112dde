package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"testing"
	"time"

	"settlement/e2e/wait"
)

// stopLimit is more than anything here takes.
const stopLimit = 20 * time.Second

var loggedAddress = regexp.MustCompile(`"address":"([^"]+)"`)

// startServe runs Serve until stop, and returns where it listens.
func startServe(
	t *testing.T, l Listening, handler http.Handler,
) (addr string, stop context.CancelFunc, ended chan error) {
	t.Helper()
	log := &logBuffer{}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	ended = make(chan error, 1)
	l.Addr = "127.0.0.1:0"
	go func() { ended <- Serve(ctx, l, handler, slog.New(slog.NewJSONHandler(log, nil))) }()

	wait.Until(t, stopLimit, func() error {
		m := loggedAddress.FindStringSubmatch(log.String())
		if m == nil {
			return errors.New("it does not say where it listens")
		}
		addr = m[1]
		return nil
	})
	return addr, stop, ended
}

// fresh asks on a connection of its own, which a closed listener refuses.
func fresh(ctx context.Context, url string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

func TestItIsNotReadyBeforeItTakesNoMore(t *testing.T) {
	const delay = 2 * time.Second
	entered, release := make(chan struct{}), make(chan struct{})
	routes := http.NewServeMux()
	routes.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ready")
	})
	routes.HandleFunc("/work", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "done")
	})
	routes.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "done")
	})

	addr, stop, ended := startServe(t, Listening{ShutdownDelay: delay, ShutdownTimeout: stopLimit}, routes)
	if status, body, err := fresh(t.Context(), "http://"+addr+"/readyz"); status != 200 || body != "ready" {
		t.Fatalf("while it serves /readyz is %d %s, %v", status, body, err)
	}

	began := time.Now()
	stop()
	wait.Until(t, stopLimit, func() error {
		status, body, err := fresh(t.Context(), "http://"+addr+"/readyz")
		if err != nil {
			t.Fatalf("the listener was closed before anybody could be told: %v", err)
		}
		if status != http.StatusServiceUnavailable || body != notReadyStopping {
			return fmt.Errorf("while it stops /readyz is %d %s", status, body)
		}
		return nil
	})
	if status, _, err := fresh(t.Context(), "http://"+addr+"/work"); status != 200 {
		t.Fatalf("a request behind that is answered %d, %v: load balancers have not seen it yet", status, err)
	}

	long := make(chan string, 1)
	go func() {
		_, body, err := fresh(context.WithoutCancel(t.Context()), "http://"+addr+"/long")
		long <- fmt.Sprint(body, err)
	}()
	<-entered

	wait.Until(t, stopLimit, func() error {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = conn.Close()
			return errors.New("the listener is open")
		}
		return nil
	})
	if took := time.Since(began); took < delay {
		t.Errorf("the listener was closed after %s, want not before %s", took, delay)
	}
	close(release) // a request that is under way when the listener closes is finished
	if got := <-long; got != "done<nil>" {
		t.Errorf("a request under way became %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The delay uses up nothing of the time for requests under way.
func TestRequestsAreCutOffAfterTheirTimeout(t *testing.T) {
	entered := make(chan struct{})
	forever := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})
	addr, stop, ended := startServe(t,
		Listening{ShutdownDelay: 300 * time.Millisecond, ShutdownTimeout: 300 * time.Millisecond}, forever)
	go func() { _, _, _ = fresh(t.Context(), "http://"+addr+"/") }()
	<-entered

	began := time.Now()
	stop()
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Serve returned %v, want that a request was cut off", err)
	}
	if took := time.Since(began); took < 600*time.Millisecond {
		t.Errorf("cut off after %s, want 300 ms for the delay and 300 ms more", took)
	}
}
