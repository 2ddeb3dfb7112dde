package listener

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/payment-service/internal/parking"
	"settlement/payment-service/internal/store"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Points handles batches of the points topic. It is safe for concurrent use.
type Points struct {
	store   *store.Store
	lot     *parking.Lot
	changes *prometheus.CounterVec
	log     *slog.Logger
}

// NewPoints makes it and registers its metrics.
func NewPoints(s *store.Store, lot *parking.Lot, registry prometheus.Registerer, log *slog.Logger) *Points {
	changes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "points_changes_total",
		Help: "Changes of points by result: applied, repeated, waiting, poison.",
	}, []string{"result"})
	registry.MustRegister(changes)
	return &Points{store: s, lot: lot, changes: changes, log: log}
}

// Handle applies a batch in one transaction. After an error the batch has to be given again, as a whole: a change whose
// place in its customer's sequence is taken changes nothing.
func (p *Points) Handle(ctx context.Context, batch []rocketmq.Delivery) error {
	changes := make([]settlement.PointsChange, 0, len(batch))
	for _, d := range batch {
		c, err := settlement.ParsePointsChange(d.Body)
		if err == nil {
			changes = append(changes, c)
			continue
		}
		parked, parkErr := p.lot.Park(ctx, d, err.Error())
		if parkErr != nil {
			return parkErr
		}
		if parked {
			p.changes.WithLabelValues("poison").Inc()
			p.log.Error("message parked", "reason", err, "topic", d.Topic, "queue", d.Queue, "offset", d.Offset, "message_id", d.MessageID, "key", d.Key)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	applied, err := p.store.ApplyPoints(ctx, changes)
	if err != nil {
		return err
	}
	p.changes.WithLabelValues("applied").Add(float64(len(applied.Changed)))
	p.changes.WithLabelValues("repeated").Add(float64(applied.Repeated))
	p.changes.WithLabelValues("waiting").Add(float64(applied.Waiting))
	for _, c := range applied.Changed {
		p.log.Info("points changed", "type", c.Type, "points", c.Points, "reason", c.Reason, "customer_id", c.CustomerID, "seq", c.Seq, "points_no", c.PointsNo)
	}
	return nil
}
