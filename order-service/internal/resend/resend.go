// Package resend sends unanswered instructions again. When an instruction has had no outcome for
// long, it was lost on its way, or its outcome was lost, or it waits for an operator. It is sent
// again under its payment number, so that it is decided once and answered each time.
package resend

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/order-service/internal/store"
	"settlement/shared/wake"
)

const (
	// every is the time between two looks. perLook is how many instructions one look sends again at
	// most: a broker that has lost everything must not be flooded when it is back.
	every   = 1 * time.Second
	perLook = 100
)

// Resender sends unanswered instructions again. Several instances may run.
type Resender struct {
	store  *store.Store
	resent prometheus.Counter
	log    *slog.Logger
}

// New makes a resender and registers its metric.
func New(s *store.Store, metrics prometheus.Registerer, log *slog.Logger) *Resender {
	r := &Resender{store: s, log: log, resent: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "instructions_resent_total",
		Help: "Instructions that were without an outcome for too long and were sent again.",
	})}
	metrics.MustRegister(r.resent)
	return r
}

// Run looks for unanswered instructions and sends them again until ctx is done.
func (r *Resender) Run(ctx context.Context) {
	for ctx.Err() == nil {
		resent, err := r.store.Resend(ctx, perLook)
		switch {
		case err != nil && ctx.Err() == nil:
			r.log.Warn("unanswered instructions cannot be sent again, trying again", "error", err)
		case resent > 0:
			r.resent.Add(float64(resent))
			r.log.Warn("instructions without an outcome were sent again", "instructions", resent)
		}
		wake.Pause(ctx, every)
	}
}
