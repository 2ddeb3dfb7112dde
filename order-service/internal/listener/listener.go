// Package listener takes batches of the outcome topic to the store.
package listener

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/order-service/internal/store"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Listener handles one consumer's batches. It is safe for concurrent use.
type Listener struct {
	store    *store.Store
	outcomes *prometheus.CounterVec
	log      *slog.Logger
}

// New makes a listener and registers its metrics.
func New(s *store.Store, registry prometheus.Registerer, log *slog.Logger) *Listener {
	outcomes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "order_outcomes_total",
		Help: "Outcomes by result: applied, repeated, foreign, poison.",
	}, []string{"result"})
	registry.MustRegister(outcomes)
	return &Listener{store: s, outcomes: outcomes, log: log}
}

// Handle applies a batch in one transaction. After an error the batch has to be given
// again, as a whole: a payment number that was applied changes nothing.
func (l *Listener) Handle(ctx context.Context, batch []rocketmq.Delivery) error {
	outcomes := make([]settlement.Outcome, 0, len(batch))
	for _, d := range batch {
		out, err := settlement.ParseOutcome(d.Body)
		if err != nil {
			// Nothing of ours: payment-service writes outcomes from validated values only.
			// Acknowledged, because it would stop every order behind it for ever.
			l.outcomes.WithLabelValues("poison").Inc()
			l.log.Error("outcome ignored", "reason", err, "queue", d.Queue, "offset", d.Offset, "message_id", d.MessageID, "key", d.Key)
			continue
		}
		outcomes = append(outcomes, out)
	}
	if len(outcomes) == 0 {
		return nil
	}
	applied, err := l.store.ApplyOutcomes(ctx, outcomes)
	if err != nil {
		return fmt.Errorf("outcomes: %w", err)
	}
	l.report(applied)
	return nil
}

func (l *Listener) report(applied store.Applied) {
	l.outcomes.WithLabelValues("applied").Add(float64(len(applied.Changed)))
	l.outcomes.WithLabelValues("repeated").Add(float64(len(applied.Repeated)))
	l.outcomes.WithLabelValues("foreign").Add(float64(len(applied.Foreign)))
	for _, out := range applied.Changed {
		l.log.Info("outcome applied", "outcome", out.Type, "reason", out.Reason, "payment_no", out.PaymentNo, "order_id", out.OrderID, "seq", out.Seq)
	}
	for _, out := range applied.Foreign {
		l.log.Warn("outcome answers nothing that an order here waits for", "outcome", out.Type, "payment_no", out.PaymentNo, "order_id", out.OrderID, "seq", out.Seq)
	}
}
