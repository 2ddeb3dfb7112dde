// Package listener hands the messages of the topics to the store, which does what they ask. Package
// shared/intake decides what a failure means.
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
	"settlement/shared/traceparent"
)

// Instructions handles batches of the topic settlement. It is safe for concurrent use.
type Instructions struct {
	store   *store.Store
	intake  *intake.Intake[settlement.Instruction]
	metrics instructionMetrics
	log     *slog.Logger
}

// NewInstructions makes the listener and registers its metrics.
func NewInstructions(
	s *store.Store, lot *parking.Lot, policy *intake.Policy, registry prometheus.Registerer, log *slog.Logger,
) *Instructions {
	l := &Instructions{store: s, metrics: newInstructionMetrics(registry), log: log}
	l.intake = intake.New(intake.Topic[settlement.Instruction]{
		Name:    settlement.TopicSettlement,
		Parse:   settlement.ParseInstruction,
		Subject: store.SubjectOf,
		Do:      l.settle,
	}, lot, policy, l.metrics.instructions, log)
	return l
}

// Handle settles or parks every message of a batch. After nil the batch may be acknowledged; after
// an error it has to be given again, as a whole.
func (l *Instructions) Handle(ctx context.Context, batch []rocketmq.Delivery) error {
	l.metrics.batchSize.Observe(float64(len(batch)))
	return l.intake.Handle(ctx, batch)
}

func (l *Instructions) settle(ctx context.Context, batch []store.Received) (effects int, err error) {
	summary, err := l.store.SettleBatch(ctx, batch)
	if err != nil {
		return 0, err
	}

	l.metrics.count(summary)
	l.report(summary)
	return len(summary.Decided), nil
}

func (l *Instructions) report(summary store.Summary) {
	for _, m := range summary.Decided {
		l.log.Info("instruction decided", "type", m.Type, "amount",
			m.Amount.String(), "outcome", m.Outcome, "reason", m.Reason,
			"payment_no", m.PaymentNo, "order_id", m.OrderID, "seq", m.Seq, "trace_id",
			traceparent.TraceID(m.Traceparent))
	}
	for _, c := range summary.Conflicts {
		l.log.Error("instruction parked: it is in conflict with what is recorded", "reason", c.Reason,
			"type", c.Message.Type, "payment_no", c.Message.PaymentNo, "order_id", c.Message.OrderID, "seq",
			c.Message.Seq, "trace_id", c.TraceID())
	}
	if summary.Unreleased != nil {
		l.log.Warn("successors were not released with their predecessor, they are tried by themselves",
			"error", summary.Unreleased)
	}
}
