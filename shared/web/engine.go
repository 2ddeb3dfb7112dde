package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/idempotency"
	"settlement/shared/traceparent"
)

// requestTimeout bounds the work on one request, once its body is read. It is longer than one
// database transaction may take, so that the client gets the transaction's error.
const requestTimeout = 15 * time.Second

const headerTraceparent = "traceparent"

// Config is what an edge needs from its service.
type Config struct {
	Logger  *slog.Logger
	Metrics *prometheus.Registry // gets the edge's metrics, and is what /metrics shows
	Checks  map[string]Check     // what /readyz asks, by name
	// What /readyz asks and shows of parts that the service can do without for a while.
	Beside map[string]Check
	// The query parameters of each route, as in "GET /v1/orders"; a route without an entry takes
	// none.
	Query map[string][]string
}

// requestsMax is how many requests may be under way. A request above it is refused at once: if it
// waited, it would be answered only after its client has gone, and do its work all the same.
const requestsMax = 64

// edge is the middleware of one engine.
type edge struct {
	log      *slog.Logger
	seconds  *prometheus.HistogramVec
	underWay chan struct{}       // one for each request under way
	query    map[string][]string // as in Config
}

// NewEngine makes an engine without routes: every request is traced, logged, measured, limited
// in time and size, and answered with a problem where no route matches or a handler panics.
func NewEngine(cfg Config) *gin.Engine {
	e := edge{
		log: cfg.Logger, query: cfg.Query, underWay: make(chan struct{}, requestsMax),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_request_seconds",
			Help:    "Time of one request from its header to its answer, by route and status.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}, []string{"route", "status"}),
	}
	cfg.Metrics.MustRegister(e.seconds)

	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false // a redirected POST would lose its body in many clients
	engine.Use(e.observe, e.catchPanic, limitBody, e.limitRequests, limitTime, e.checkQuery, requireKey)
	engine.NoRoute(func(c *gin.Context) {
		Fail(c, NewProblem(http.StatusNotFound, CodeNotFound, "there is nothing at "+
			quote(c.Request.URL.Path)))
	})
	engine.NoMethod(func(c *gin.Context) {
		Fail(c, NewProblem(http.StatusMethodNotAllowed, CodeMethodNotAllowed,
			fmt.Sprintf("%s is not a method of %s, use %s", quote(c.Request.Method),
				quote(c.Request.URL.Path), c.Writer.Header().Get("Allow"))))
	})
	return engine
}

// BadParameter answers 400 for a parameter that could not be bound to its type; it is the
// error handler of the generated wrappers.
func BadParameter(c *gin.Context, err error, _ int) {
	Fail(c, NewProblem(http.StatusBadRequest, CodeInvalidParameter, err.Error()))
}

// Traceparent is the trace that the request belongs to: the client's, or a new one.
func Traceparent(c *gin.Context) string { return c.Writer.Header().Get(headerTraceparent) }

// observe gives the request its trace, and afterwards one log line and one measurement.
func (e edge) observe(c *gin.Context) {
	start := time.Now()
	trace := traceparent.Or(c.GetHeader(headerTraceparent))
	c.Header(headerTraceparent, trace)
	c.Next()

	// The label must not be the client's own method or path: each one would be a new series.
	route := "unmatched"
	if c.FullPath() != "" {
		route = c.Request.Method + " " + c.FullPath()
	}
	status, took := c.Writer.Status(), time.Since(start)
	e.seconds.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())

	attrs := []slog.Attr{
		slog.String("method", shorten(c.Request.Method)), slog.String("route", route),
		slog.Int("status", status),
		slog.Float64("took_ms", float64(took.Microseconds())/1000),
		slog.String("trace_id", traceparent.TraceID(trace)),
	}
	if id := c.Param("id"); id != "" {
		attrs = append(attrs, slog.String("id", shorten(id)))
	}
	if cause := c.Errors.Last(); cause != nil {
		attrs = append(attrs, slog.String("error", cause.Error()))
	}
	e.log.LogAttrs(c.Request.Context(), level(c.FullPath(), status), "request", attrs...)
}

// level keeps the probes, which come every few seconds, out of the log of a healthy service.
func level(path string, status int) slog.Level {
	switch {
	case status == http.StatusInternalServerError:
		return slog.LevelError
	case status > http.StatusInternalServerError:
		return slog.LevelWarn
	case isProbe(path):
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// catchPanic turns a panic into 500. Without it the connection would be cut without an answer.
func (e edge) catchPanic(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		e.log.ErrorContext(c.Request.Context(), "panic while a request was handled",
			"panic", fmt.Sprint(cause),
			"trace_id", traceparent.TraceID(Traceparent(c)), "stack", string(debug.Stack()))

		if c.Writer.Written() {
			c.Abort() // the answer is out, a second one would be appended to it
			return
		}
		Fail(c, errors.New("panic, logged with this trace id"))
	}()
	c.Next()
}

// limitRequests refuses a request while requestsMax others are under way. Probes always pass.
func (e edge) limitRequests(c *gin.Context) {
	if isProbe(c.FullPath()) {
		return
	}
	select {
	case e.underWay <- struct{}{}:
	default:
		Fail(c, NewRetryProblem(http.StatusServiceUnavailable, CodeUnavailable,
			fmt.Sprintf("%d requests are under way, which is the limit: send the same request again, a POST with the same Idempotency-Key",
				requestsMax)))
		return
	}

	defer func() { <-e.underWay }()
	c.Next()
}

// isProbe reports whether a path is one that monitoring asks every few seconds.
func isProbe(path string) bool { return path == "/healthz" || path == "/readyz" || path == "/metrics" }

func limitTime(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

// requireKey refuses a POST without a usable Idempotency-Key, with a code of its own for each
// fault; the generated wrappers know only one.
func requireKey(c *gin.Context) {
	if c.Request.Method != http.MethodPost || c.FullPath() == "" {
		return
	}
	keys := c.Request.Header.Values("Idempotency-Key")
	if len(keys) > 1 {
		Fail(c, fmt.Errorf("%w: the header is there %d times", idempotency.ErrKeyInvalid, len(keys)))
		return
	}
	if _, err := idempotency.NewRequest(c.GetHeader("Idempotency-Key"), "", nil); err != nil {
		Fail(c, err)
	}
}
