// Package intake hands the batches of one topic to the function that does them, and decides what a
// failure means: the batch comes again after a pause, or a message is parked for an operator. All
// listeners of both services share it, so that one rule holds for all of them:
//
//   - A message that can never be read is parked at once.
//   - An error that passes (the database is away, busy, failing over) suspends the queue. Nothing
//     is counted.
//   - A message that fails in any other way is executed again, three times in all, and parked if
//     others succeed where it fails.
//   - When different messages fail one after another and none succeeds, it is the system and not
//     the messages: the queues pause, people are told once, and nothing is parked.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/guard"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/traceparent"
)

// Received is a message that was read, with the delivery in which it came.
type Received[M any] struct {
	Message  M
	Delivery rocketmq.Delivery
}

// TraceID is the trace that the message belongs to, for logs.
func (r Received[M]) TraceID() string { return traceID(r.Delivery) }

func traceID(d rocketmq.Delivery) string {
	return traceparent.TraceID(d.Properties[traceparent.Property])
}

// Topic says how the messages of a topic are read and done.
type Topic[M any] struct {
	Name  string
	Parse func(body []byte) (M, error) // an error means that the body can never be read
	// Subject is what a message is about.
	Subject func(M) parking.Subject
	// Do does what a batch asks, in order, in one transaction. A repeat changes nothing, so a batch
	// may be given again after any error. It returns how many messages took effect now.
	Do func(ctx context.Context, batch []Received[M]) (effects int, err error)
}

// Results counts messages by what became of them, in the label "result". The intake counts poison
// and parked.
type Results = *prometheus.CounterVec

// Intake handles one consumer's batches. It is safe for concurrent use.
type Intake[M any] struct {
	topic   Topic[M]
	lot     *parking.Lot
	policy  *Policy
	results Results
	log     *slog.Logger
}

// New makes an intake.
func New[M any](
	topic Topic[M], lot *parking.Lot, policy *Policy, results Results, log *slog.Logger,
) *Intake[M] {
	return &Intake[M]{
		topic: topic, lot: lot, policy: policy, results: results, log: log.With("topic", topic.Name),
	}
}

// Handle does or parks every message of a batch. When it returns nil, the batch may be
// acknowledged. When it returns an error, the whole batch has to be delivered again: the messages
// that were done are found by their numbers.
func (i *Intake[M]) Handle(ctx context.Context, batch []rocketmq.Delivery) error {
	if err := i.policy.load(ctx); err != nil {
		return err
	}
	messages, err := i.read(ctx, batch)
	if err != nil || len(messages) == 0 {
		return err
	}

	// A message that failed before is not executed together with others: each of its executions has
	// to count as one.
	if len(messages) == 1 || i.policy.suspectsAny(i.numbers(messages)) {
		return i.doEach(ctx, messages)
	}

	err = i.do(ctx, messages)
	if err == nil || i.policy.suspends(ctx, err) {
		return err
	}
	i.log.Warn("batch failed, doing its messages one by one to find which",
		"size", len(messages), "error", err)
	i.policy.failedTogether(i.numbers(messages))
	return i.doEach(ctx, messages)
}

// read parses a batch and parks the messages that can never be read.
func (i *Intake[M]) read(ctx context.Context, batch []rocketmq.Delivery) ([]Received[M], error) {
	messages := make([]Received[M], 0, len(batch))
	for _, d := range batch {
		m, err := i.parse(d)
		if err == nil {
			messages = append(messages, Received[M]{Message: m, Delivery: d})
			continue
		}

		parked, parkErr := i.lot.Park(ctx, d, parking.Subject{}, parking.CausePoison, err.Error())
		if parkErr != nil {
			return nil, parkErr
		}
		if !parked {
			continue // delivered again after it was parked
		}
		i.results.WithLabelValues("poison").Inc()
		i.log.Error("message parked: it cannot be read", "reason", err, "queue", d.Queue, "offset", d.Offset,
			"message_id", d.MessageID, "key", d.Key, "trace_id", traceID(d))
	}
	return messages, nil
}

func (i *Intake[M]) parse(d rocketmq.Delivery) (m M, err error) {
	if d.TooLarge {
		return m, fmt.Errorf("the compressed body inflates to more than is taken; %d bytes of it are kept",
			len(d.Body))
	}
	return i.topic.Parse(d.Body)
}

// doEach does the messages one by one, so that a bad one does not stop the others. Those that come
// after it in its ordering key's sequence are ahead, and wait for it.
func (i *Intake[M]) doEach(ctx context.Context, messages []Received[M]) error {
	var failed []error
	start := i.policy.effects()

	for _, m := range messages {
		if no := i.topic.Subject(m.Message).Number; i.policy.held(no) {
			failed = append(failed, fmt.Errorf("message %s failed, and is not executed again before another has taken effect",
				no))
			continue
		}

		before := i.policy.effects()
		err := i.do(ctx, []Received[M]{m})
		if err == nil {
			continue
		}
		if i.policy.suspends(ctx, err) {
			return errors.Join(append(failed, err)...)
		}
		if err := i.failedAlone(ctx, m, before, err); err != nil {
			failed = append(failed, err)
		}
	}

	if len(failed) == 0 {
		return nil
	}
	err := errors.Join(failed...)
	i.policy.failedAll(ctx, start, err)
	return err
}

// failedAlone returns nil when the message is parked and may be acknowledged.
func (i *Intake[M]) failedAlone(ctx context.Context, m Received[M], before int64, cause error) error {
	s := i.topic.Subject(m.Message)
	parked, err := i.policy.failed(ctx, s, m.Delivery, before, cause)
	if err != nil {
		return err
	}
	if parked {
		i.results.WithLabelValues("parked").Inc()
	}
	return nil
}

// do turns a panic into an error, so that the message that causes it is found one by one, as with
// any other error.
func (i *Intake[M]) do(ctx context.Context, messages []Received[M]) error {
	return guard.Run(func() error {
		effects, err := i.topic.Do(ctx, messages)
		if err == nil {
			i.policy.did(i.numbers(messages), effects)
		}
		return err
	})
}

func (i *Intake[M]) numbers(messages []Received[M]) []string {
	numbers := make([]string, 0, len(messages))
	for _, m := range messages {
		numbers = append(numbers, i.topic.Subject(m.Message).Number)
	}
	return numbers
}
