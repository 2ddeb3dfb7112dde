// Package listener applies the messages of topic payment-outcome to the orders. Package
// shared/intake decides what a failure means.
package listener

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/order-service/internal/store"
	"settlement/shared/intake"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Listener handles one consumer's batches. It is safe for concurrent use.
type Listener struct {
	store    *store.Store
	intake   *intake.Intake[settlement.Outcome]
	outcomes *prometheus.CounterVec
	log      *slog.Logger
}

// New makes a listener and registers its metrics.
func New(
	s *store.Store, lot *parking.Lot, policy *intake.Policy, registry prometheus.Registerer, log *slog.Logger,
) *Listener {
	outcomes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "order_outcomes_total",
		Help: "Outcomes by result: applied, repeated, conflict, waiting, poison, parked.",
	}, []string{"result"})
	registry.MustRegister(outcomes)

	l := &Listener{store: s, outcomes: outcomes, log: log}
	l.intake = intake.New(intake.Topic[settlement.Outcome]{
		Name:    settlement.TopicOutcome,
		Parse:   settlement.ParseOutcome,
		Subject: store.SubjectOf,
		Do:      l.apply,
	}, lot, policy, outcomes, log)
	return l
}

// Handle applies or parks every message of a batch. When it returns nil, the batch may be
// acknowledged. When it returns an error, the whole batch has to be delivered again.
func (l *Listener) Handle(ctx context.Context, batch []rocketmq.Delivery) error {
	return l.intake.Handle(ctx, batch)
}

func (l *Listener) apply(ctx context.Context, batch []store.Received) (effects int, err error) {
	applied, err := l.store.ApplyOutcomes(ctx, batch)
	if err != nil {
		return 0, err
	}

	l.outcomes.WithLabelValues("applied").Add(float64(len(applied.Changed)))
	l.outcomes.WithLabelValues("repeated").Add(float64(applied.Repeated))
	l.outcomes.WithLabelValues("conflict").Add(float64(len(applied.Conflicts)))
	l.outcomes.WithLabelValues("waiting").Add(float64(applied.Waiting))

	for _, r := range applied.Changed {
		out := r.Message
		l.log.Info("outcome applied", "outcome", out.Type, "amount",
			out.Amount.String(), "reason", out.Reason,
			"payment_no", out.PaymentNo, "order_id", out.OrderID, "seq", out.Seq, "trace_id", r.TraceID())
	}
	for _, c := range applied.Conflicts {
		l.log.Error("outcome parked: it is in conflict with what is recorded",
			"reason", c.Reason, "outcome", c.Message.Type,
			"payment_no", c.Message.PaymentNo, "order_id", c.Message.OrderID, "seq", c.Message.Seq,
			"trace_id", c.TraceID())
	}
	return len(applied.Changed), nil
}
