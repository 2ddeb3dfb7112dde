package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Listening says where Serve takes requests, and how it stops.
type Listening struct {
	Addr string // host:port
	// ShutdownDelay is how long requests are still taken once /readyz says no. Load balancers ask
	// /readyz every few seconds and send requests until then; a listener that closed at once would
	// refuse those.
	ShutdownDelay time.Duration
	// ShutdownTimeout bounds the requests that are under way after that.
	ShutdownTimeout time.Duration
}

// Serve answers requests until ctx ends. Then /readyz says no. After ShutdownDelay it takes no more
// requests, and finishes those under way.
func Serve(ctx context.Context, l Listening, handler http.Handler, log *slog.Logger) error {
	var listening net.ListenConfig
	socket, err := listening.Listen(ctx, "tcp", l.Addr)
	if err != nil {
		return fmt.Errorf("HTTP_ADDR: %w", err)
	}
	log.Info("serving", "address", socket.Addr().String())
	edge := &stoppable{Handler: handler}
	server := NewServer(edge, log)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(socket) }()
	select {
	case err := <-ended:
		return fmt.Errorf("HTTP server: %w", err)
	case <-ctx.Done():
	}

	log.Info("stopping", "ready", false, "requests_taken_for", l.ShutdownDelay.String())
	edge.stopping.Store(true)
	select {
	case err := <-ended:
		return fmt.Errorf("HTTP server: %w", err)
	case <-time.After(l.ShutdownDelay):
	}

	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		return fmt.Errorf("requests were cut off after %s: %w", l.ShutdownTimeout,
			errors.Join(err, server.Close()))
	}
	return nil
}

// notReadyStopping is an answer of /readyz, in the form of the others.
const notReadyStopping = `{"checks":{"serving":"failed"},"status":"not_ready"}`

// stoppable is a handler whose /readyz says no once the service is stopping, whatever its checks
// would say.
type stoppable struct {
	http.Handler
	stopping atomic.Bool
}

func (s *stoppable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	probe := r.URL.Path == "/readyz" && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	if !probe || !s.stopping.Load() {
		s.Handler.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, notReadyStopping) // an error means that the prober has gone
}
