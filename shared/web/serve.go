package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Serve answers requests at addr (host:port) until ctx ends, then takes no more and
// finishes those under way, for at most shutdownTimeout.
func Serve(ctx context.Context, addr string, shutdownTimeout time.Duration, handler http.Handler, log *slog.Logger) error {
	var listening net.ListenConfig
	socket, err := listening.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("HTTP_ADDR: %w", err)
	}
	log.Info("serving", "address", socket.Addr().String())
	server := NewServer(handler, log)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(socket) }()
	select {
	case err := <-ended:
		return fmt.Errorf("HTTP server: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		return fmt.Errorf("requests were cut off after %s: %w", shutdownTimeout, errors.Join(err, server.Close()))
	}
	return nil
}
