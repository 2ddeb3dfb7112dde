package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

const (
	pauseMin = 100 * time.Millisecond // after the first failure of a batch
	pauseMax = 5 * time.Second
	// refusedPause is the pause of a queue whose messages may not be handled now.
	refusedPause = time.Second
	noOffset     = -1
)

// panicError is a panic in the handler.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic in handler: %v", e.value) }

// deliver is what the library calls with a batch. It answers with "done" or "again after a pause",
// both with a nil error. T1: after any other answer the batch would be lost.
func (s *session) deliver(
	ctx context.Context, msgs ...*primitive.MessageExt,
) (consumer.ConsumeResult, error) {
	orderly, ok := primitive.GetOrderlyCtx(ctx)
	if !ok {
		// T22: an operator's "consume message directly" comes past the queue's order and its lock.
		s.consumer.logger.Error("refused a message that was sent to this consumer directly, not through its queue")
		return consumer.SuspendCurrentQueueAMoment, nil
	}

	pause := s.process(orderly.MQ, msgs)
	if pause == 0 {
		return consumer.ConsumeSuccess, nil
	}

	// T25: set on every suspend, or there would be no pause at all. The consumer option of that
	// name does nothing.
	orderly.SuspendCurrentQueueTimeMillis = int(pause.Milliseconds())
	return consumer.SuspendCurrentQueueAMoment, nil
}

// process gives a batch to the handler and returns how long the queue has to pause, 0 when all is
// done.
func (s *session) process(mq primitive.MessageQueue, msgs []*primitive.MessageExt) (pause time.Duration) {
	c := s.consumer
	batch := make([]Delivery, len(msgs))
	for i, m := range msgs {
		// T22: the library also delivers messages of %RETRY%<group>, under the original topic's
		// name. Nothing here sends to that topic, and what other programs send to it has no place
		// in the order. Such a message is not acknowledged either, because it may be the only copy.
		if mq.Topic != c.cfg.Topic || m.Topic != c.cfg.Topic {
			c.logger.Error("refused a message of another topic: only this consumer may use its group; move the message and skip it with mqadmin",
				"of_topic", mq.Topic, "queue", mq.QueueId, "offset", m.QueueOffset, "key", m.GetKeys())
			return pauseMax
		}
		batch[i] = newDelivery(m, mq.BrokerName, mq.QueueId)
	}
	if len(batch) == 0 {
		return refusedPause
	}

	key := queueKey{mq.BrokerName, mq.QueueId}
	if !s.begin(key) {
		return refusedPause
	}

	err := errors.New("handler ended its goroutine")
	// Deferred: otherwise a handler that ends its goroutine would leave the queue busy for ever,
	// and Stop would wait for it.
	defer func() { pause = s.end(key, batch, err) }()
	err = c.run(batch)
	return 0
}

// run calls the handler. T24: a panic becomes an error, because in the library it would end the
// queue's goroutine silently, with the broker's lock held and renewed.
func (c *Consumer) run(batch []Delivery) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{value: r, stack: debug.Stack()}
		}
	}()
	return c.handle(c.handlers, batch)
}

// begin takes a queue for a handler. It refuses when the session ends, when the queue has gone to
// another consumer, and when another handler of this process has the queue: a handler of the
// previous session may still be under way.
func (s *session) begin(key queueKey) bool {
	c := s.consumer
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.progress(key)
	moved := s.assigned != nil && !s.assigned[key]
	if s.closing || c.stopped != nil || q.busy || moved {
		return false
	}
	q.busy = true
	s.inFlight++
	return true
}

// end gives a queue back and returns its pause.
func (s *session) end(key queueKey, batch []Delivery, err error) time.Duration {
	c := s.consumer
	first := batch[0].Offset
	c.mu.Lock()
	q := c.queues[key]
	q.busy = false
	s.inFlight--
	if s.inFlight == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}

	if err == nil {
		q.acknowledge(batch)
		q.failures, q.activeAt = 0, time.Now()
		c.mu.Unlock()
		return 0
	}

	// T14: failures are counted by the first message only, because later ones may have joined the
	// batch since.
	if q.failedAt != first {
		q.failures, q.failedAt = 0, first
	}
	q.failures++
	failures, pause := q.failures, growingPause(q.failures)
	q.activeAt = time.Now().Add(pause)
	c.mu.Unlock()

	c.logFailure(key, batch, failures, pause, err)
	return pause
}

// growingPause is the pause after a batch has failed this many times in a row, from 1.
func growingPause(failures int) time.Duration {
	pause := pauseMin
	for range failures - 1 {
		if pause *= 2; pause >= pauseMax {
			return pauseMax
		}
	}
	return pause
}

func (c *Consumer) logFailure(key queueKey, batch []Delivery, failures int, pause time.Duration, err error) {
	args := []any{
		"queue", key.queue, "offset", batch[0].Offset, "messages", len(batch), "key", batch[0].Key,
		"failures", failures, "pause", pause.String(), "error", err,
	}

	var panicked *panicError
	if errors.As(err, &panicked) {
		c.logger.Error("handler panicked, the queue pauses and gives the batch again",
			append(args, "stack", string(panicked.stack))...)
		return
	}
	c.logger.Warn("handler failed, the queue pauses and gives the batch again", args...)
}
