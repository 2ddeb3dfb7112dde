package listener

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/payment-service/internal/store"
	"settlement/shared/intake"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Points handles batches of the topic points. It is safe for concurrent use.
type Points struct {
	store   *store.Store
	intake  *intake.Intake[settlement.PointsChange]
	changes *prometheus.CounterVec
	log     *slog.Logger
}

// NewPoints makes the listener and registers its metrics.
func NewPoints(
	s *store.Store, lot *parking.Lot, policy *intake.Policy, registry prometheus.Registerer, log *slog.Logger,
) *Points {
	changes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "points_changes_total",
		Help: "Changes of points by result: applied, repeated, conflict, waiting, poison, parked.",
	}, []string{"result"})
	registry.MustRegister(changes)

	p := &Points{store: s, changes: changes, log: log}
	p.intake = intake.New(intake.Topic[settlement.PointsChange]{
		Name:    settlement.TopicPoints,
		Parse:   settlement.ParsePointsChange,
		Subject: store.PointsSubject,
		Do:      p.apply,
	}, lot, policy, changes, log)
	return p
}

// Handle applies or parks every message of a batch. After nil the batch may be acknowledged; after
// an error it has to be given again, as a whole.
func (p *Points) Handle(ctx context.Context, batch []rocketmq.Delivery) error {
	return p.intake.Handle(ctx, batch)
}

func (p *Points) apply(ctx context.Context, batch []store.ReceivedPoints) (effects int, err error) {
	applied, err := p.store.ApplyPoints(ctx, batch)
	if err != nil {
		return 0, err
	}

	p.changes.WithLabelValues("applied").Add(float64(len(applied.Changed)))
	p.changes.WithLabelValues("repeated").Add(float64(applied.Repeated))
	p.changes.WithLabelValues("conflict").Add(float64(len(applied.Conflicts)))
	p.changes.WithLabelValues("waiting").Add(float64(applied.Waiting))

	for _, c := range applied.Changed {
		p.log.Info("points changed", "type", c.Type, "points", c.Points, "reason", c.Reason,
			"customer_id", c.CustomerID, "seq", c.Seq, "points_no", c.PointsNo)
	}
	for _, c := range applied.Conflicts {
		p.log.Error("change of points parked: it is in conflict with what is recorded", "reason", c.Reason,
			"customer_id", c.Message.CustomerID, "seq", c.Message.Seq, "points_no", c.Message.PointsNo)
	}
	if applied.Unreleased != nil {
		p.log.Warn("changes of points were not released with their predecessor, they are tried by themselves",
			"error", applied.Unreleased)
	}
	return len(applied.Changed), nil
}
