package lifecycle_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"settlement/e2e/wait"
	"settlement/shared/lifecycle"
)

var quiet = slog.New(slog.DiscardHandler)

func TestUntilTriesAgain(t *testing.T) {
	tries := 0
	err := lifecycle.Until(t.Context(), quiet, "step", func(context.Context) error {
		if tries++; tries < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%d tries, error %v", tries, err)
	}
}

func TestUntilEndsWithItsContextAndTheLastError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cause := errors.New("away")
	err := lifecycle.Until(ctx, quiet, "database", func(context.Context) error {
		cancel()
		return cause
	})
	if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) ||
		!strings.Contains(err.Error(), "database") {
		t.Errorf("error %v has to name the step, its last error and the end", err)
	}
}

func TestAPartThatStartsLater(t *testing.T) {
	ready := make(chan struct{})
	l := lifecycle.StartLater(t.Context(), quiet, "consumer", func() error {
		select {
		case <-ready:
			return nil
		default:
			return errors.New("no broker")
		}
	})
	defer l.GiveUp()

	if err := l.Started(t.Context()); err == nil || !strings.Contains(err.Error(), "consumer") {
		t.Errorf("before it started: %v", err)
	}

	close(ready)
	wait.Until(t, 5*time.Second, func() error { return l.Started(t.Context()) })
}

func TestGiveUpEndsTheAttempts(t *testing.T) {
	l := lifecycle.StartLater(t.Context(), quiet, "consumer", func() error { return errors.New("no broker") })
	l.GiveUp()
	if l.Started(t.Context()) == nil {
		t.Error("a part that was given up counts as started")
	}
}

func TestAPartOutlivesTheSignal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	stop := lifecycle.Background(ctx, func(ctx context.Context) {
		<-ctx.Done()
		close(ended)
	})

	cancel()
	select {
	case <-ended:
		t.Error("the part ended with the signal and not with its stop")
	default:
	}

	stop()
	<-ended
}

func TestHealthcheck(t *testing.T) {
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked %s", r.URL.Path)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte("database failed"))
	}))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")

	if err := lifecycle.Healthcheck(t.Context(), addr); err == nil ||
		!strings.Contains(err.Error(), "database failed") {
		t.Errorf("503: error %v has to show the answer", err)
	}

	status = http.StatusOK
	if err := lifecycle.Healthcheck(t.Context(), addr); err != nil {
		t.Error(err)
	}
}
