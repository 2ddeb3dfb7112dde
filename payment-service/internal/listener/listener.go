// Package listener takes batches of the settlement topic to the store and decides what
// a failure means: try again later, or park.
package listener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"settlement/payment-service/internal/parking"
	"settlement/payment-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Listener handles one consumer's batches. It is safe for concurrent use.
type Listener struct {
	store   *store.Store
	lot     *parking.Lot
	metrics *Metrics
	log     *slog.Logger
}

// New makes a listener.
func New(s *store.Store, lot *parking.Lot, metrics *Metrics, log *slog.Logger) *Listener {
	return &Listener{store: s, lot: lot, metrics: metrics, log: log}
}

// Handle settles or parks every message of a batch. After nil the batch may be
// acknowledged. After an error it has to be given again, as a whole: what of it was
// done is found by its payment numbers.
func (l *Listener) Handle(ctx context.Context, batch []rocketmq.Delivery) error {
	l.metrics.batchSize.Observe(float64(len(batch)))
	instructions, err := l.read(ctx, batch)
	if err != nil {
		return err
	}
	if len(instructions) == 0 {
		return nil
	}
	err = l.settle(ctx, instructions)
	if err == nil || dbtx.IsTransient(err) {
		return err
	}
	if len(instructions) == 1 {
		return l.failed(ctx, instructions[0], err)
	}
	l.log.Warn("batch failed, settling one by one to find the message", "size", len(batch), "error", err)
	return l.settleEach(ctx, instructions)
}

// read parses a batch and parks what can never be settled.
func (l *Listener) read(ctx context.Context, batch []rocketmq.Delivery) ([]store.Received, error) {
	instructions := make([]store.Received, 0, len(batch))
	for _, d := range batch {
		in, err := settlement.ParseInstruction(d.Body)
		if err == nil {
			instructions = append(instructions, store.Received{Instruction: in, Delivery: d})
			continue
		}
		parked, parkErr := l.lot.Park(ctx, d, err.Error())
		if parkErr != nil {
			return nil, parkErr
		}
		if !parked {
			continue // delivered again
		}
		l.metrics.instructions.WithLabelValues("poison").Inc()
		l.log.Error("message parked", "reason", err, "queue", d.Queue, "offset", d.Offset, "message_id", d.MessageID, "key", d.Key)
	}
	return instructions, nil
}

// settleEach keeps one bad message from stopping the others of its batch. Later
// messages of the same order wait behind the fence.
func (l *Listener) settleEach(ctx context.Context, instructions []store.Received) error {
	var failed []error
	for _, r := range instructions {
		err := l.settle(ctx, []store.Received{r})
		if dbtx.IsTransient(err) {
			return err
		}
		if err != nil {
			failed = append(failed, l.failed(ctx, r, err))
		}
	}
	return errors.Join(failed...)
}

// failed counts a try of an instruction that failed alone, for a reason that is not the database's own. nil means
// that it was the last one: the message is parked.
func (l *Listener) failed(ctx context.Context, r store.Received, cause error) error {
	in := r.Instruction
	cause = fmt.Errorf("payment %s of order %s: %w", in.PaymentNo, in.OrderID, cause)
	parked, err := l.lot.Failed(ctx, in, r.Delivery, cause)
	switch {
	case err != nil:
		return errors.Join(cause, err)
	case !parked:
		return cause
	}
	l.metrics.instructions.WithLabelValues("parked").Inc()
	l.log.Error("instruction parked: it failed every time", "tries", parking.TriesMax, "error", cause,
		"payment_no", in.PaymentNo, "order_id", in.OrderID, "seq", in.Seq)
	return nil
}

// settle turns a panic into an error, so that it is searched for one by one like any other.
func (l *Listener) settle(ctx context.Context, instructions []store.Received) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while settling: %v\n%s", p, debug.Stack())
		}
	}()
	summary, err := l.store.SettleBatch(ctx, instructions)
	if err != nil {
		return err
	}
	l.metrics.count(summary)
	for _, in := range summary.Stale {
		l.log.Warn("instruction changes nothing: its place in the order is taken by another payment number",
			"type", in.Type, "payment_no", in.PaymentNo, "order_id", in.OrderID, "seq", in.Seq)
	}
	for _, m := range summary.Decided {
		l.log.Info("instruction decided", "type", m.Type, "outcome", m.Outcome, "reason", m.Reason,
			"payment_no", m.PaymentNo, "order_id", m.OrderID, "seq", m.Seq)
	}
	return nil
}
