package web

import (
	"log/slog"
	"net/http"
	"time"
)

// Limits of a connection. writeTimeout runs from the end of the header, so it covers the time
// to read the body, the work, and the answer.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = readTimeout + requestTimeout + 5*time.Second
	idleTimeout    = 60 * time.Second
	headerMaxBytes = 16 << 10
)

// NewServer makes a server with all limits set. The caller serves a listener with it, and
// shuts it down.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerMaxBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
