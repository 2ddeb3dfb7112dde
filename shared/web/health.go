package web

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout bounds all checks of one /readyz together.
const readyTimeout = 3 * time.Second

// besideGrace is how long /readyz waits for a check that the service can do without, once the
// others have answered: a prober with a limit of a second must not take the service out because of
// it.
const besideGrace = 300 * time.Millisecond

// Check asks one thing that the service depends on; nil means that it answers. It must end
// when ctx does.
type Check func(ctx context.Context) error

// Health answers /healthz, /readyz and /metrics; an API embeds it.
type Health struct {
	log     *slog.Logger
	checks  map[string]Check
	beside  map[string]bool // the checks whose failure does not count
	metrics http.Handler
}

// NewHealth makes the health calls of a service.
func NewHealth(cfg Config) Health {
	checks, beside := maps.Clone(cfg.Checks), map[string]bool{}
	if checks == nil {
		checks = map[string]Check{}
	}
	for name, check := range cfg.Beside {
		checks[name], beside[name] = check, true
	}

	return Health{
		log:    cfg.Logger,
		checks: checks,
		beside: beside,
		metrics: promhttp.HandlerFor(cfg.Metrics, promhttp.HandlerOpts{
			ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
			// The database being away must not hide the metrics that do not ask it.
			ErrorHandling: promhttp.ContinueOnError,
		}),
	}
}

// GetHealthz says that the process runs.
func (h Health) GetHealthz(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"status": "ok"})
}

// GetReadyz runs the checks side by side. It answers 200 when all pass but those beside, else 503.
// Either answer has the result of each check; why one failed goes to the log only.
func (h Health) GetReadyz(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyTimeout)
	defer cancel()

	type result struct {
		name string
		err  error
	}
	results := make(chan result, len(h.checks)) // room for all: a late check must not wait for ever
	for name, check := range h.checks {
		go func() { results <- result{name, check(ctx)} }()
	}

	answer := make(map[string]string, len(h.checks))
	for name := range h.checks {
		answer[name] = "failed" // until it says otherwise
	}

	needed := len(h.checks) - len(h.beside)
	var grace <-chan time.Time // of the checks beside, once the others have answered
	for waiting := len(h.checks); waiting > 0; {
		if needed == 0 && grace == nil {
			grace = time.After(besideGrace)
		}
		select {
		case r := <-results:
			waiting--
			if !h.beside[r.name] {
				needed--
			}
			if r.err == nil {
				answer[r.name] = "ok"
				continue
			}
			h.log.WarnContext(ctx, "a check failed", "check", r.name,
				"needed", !h.beside[r.name], "error", r.err)
		case <-grace:
			h.log.WarnContext(ctx, "a check that is not needed did not answer",
				"checks", answer, "timeout", besideGrace.String())
			waiting = 0
		case <-ctx.Done():
			h.log.WarnContext(ctx, "a check did not answer", "checks",
				answer, "timeout", readyTimeout.String())
			waiting = 0
		}
	}

	status, word := http.StatusOK, "ready"
	for name, is := range answer {
		if is != "ok" && !h.beside[name] {
			status, word = http.StatusServiceUnavailable, "not_ready"
		}
	}
	c.JSON(status, gin.H{"status": word, "checks": answer})
}

// GetMetrics shows the service's metrics in the Prometheus text format.
func (h Health) GetMetrics(c *gin.Context) {
	h.metrics.ServeHTTP(c.Writer, c.Request)
}
