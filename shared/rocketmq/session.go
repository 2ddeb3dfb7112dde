package rocketmq

import (
	"context"
	"errors"
	"fmt"

	client "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// What the library may hold of the topic that was not consumed yet, shared out evenly among its queues. Its own
// default is 102,400 messages and 51,200 MiB.
const (
	prefetchMessages = 8192
	prefetchMiB      = 64
)

// session is the life of one consumer of the library: a Consumer has one, and another when the watchdog
// replaces it.
type session struct {
	consumer *Consumer
	client   client.PushConsumer

	// Guarded by consumer.mu.
	closing  bool // no new handlers
	inFlight int  // handlers under way
	idle     chan struct{}
	assigned map[queueKey]bool         // nil: not known yet
	share    []*primitive.MessageQueue // the same, as the library has it
}

func startSession(c *Consumer) (*session, error) {
	s := &session{consumer: c}
	inner, err := client.NewPushConsumer(
		consumer.WithNameServer(clientNamesrv(c.admin.namesrvs)),
		consumer.WithGroupName(c.cfg.Group),
		consumer.WithInstance(uniqueInstance(c.cfg.Instance)),
		consumer.WithConsumerModel(consumer.Clustering),
		consumer.WithConsumerOrder(true),
		// The default begins with what comes after the start: messages from before it would never be consumed.
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
		consumer.WithConsumeMessageBatchMaxSize(c.cfg.BatchMax),
		consumer.WithPullBatchSize(int32(max(32, c.cfg.BatchMax))), //nolint:gosec // at most batchMaxLimit
		// With a limit the library puts the message into a dead letter queue and goes on: the next message of the
		// same key would overtake it. -1 is for ever in an orderly consumer.
		consumer.WithMaxReconsumeTimes(-1),
		// For the topic, because the options for a queue are overwritten at every rebalance.
		consumer.WithPullThresholdForTopic(prefetchMessages),
		consumer.WithPullThresholdSizeForTopic(prefetchMiB),
		consumer.WithStrategy(s.allocate),
	)
	if err != nil {
		return nil, err
	}
	s.client = inner
	if err := inner.Subscribe(c.cfg.Topic, consumer.MessageSelector{}, s.deliver); err != nil {
		return nil, err
	}
	c.mu.Lock()
	for _, q := range c.queues {
		q.acked = noOffset // of the session before, which has committed it
	}
	c.mu.Unlock()
	if err := inner.Start(); err != nil {
		return nil, err
	}
	return s, nil
}

// drain refuses new batches and waits until no handler is under way.
func (s *session) drain(ctx context.Context) error {
	c := s.consumer
	c.mu.Lock()
	s.closing = true
	if s.inFlight > 0 && s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	c.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		return fmt.Errorf("%d handlers still under way: %w", s.inFlight, ctx.Err())
	}
}

// resume takes back drain.
func (s *session) resume() {
	s.consumer.mu.Lock()
	defer s.consumer.mu.Unlock()
	s.closing, s.idle = false, nil
}

// finish commits what was acknowledged and shuts the library's consumer down.
func (s *session) finish(ctx context.Context) error {
	// Before the shutdown, because that unlocks the queues first and sends the offsets after it: who takes a queue
	// over in between would begin with the old offset.
	before := s.commit(ctx)
	done := make(chan error, 1)
	// In a goroutine because the library waits up to 15 s for each queue when the broker is away.
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("panic in the RocketMQ client's shutdown: %v", r)
			}
		}()
		done <- s.client.Shutdown()
	}()
	select {
	case err := <-done:
		if err != nil {
			return errors.Join(err, before)
		}
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("RocketMQ client's shutdown: %w", ctx.Err()), before)
	}
	// Once more: a pull request of the library carries an offset too, and one that was under way carries an old one.
	return s.commit(ctx)
}

// commit makes sure that the broker's offset of each queue is not behind what the handlers acknowledged. The
// library sends offsets without waiting for an answer, and forgets those of all other queues when one queue is
// taken away in a rebalance: an idle queue's offset would stay behind and its last messages come again.
func (s *session) commit(ctx context.Context) error {
	c := s.consumer
	acked := map[queueKey]int64{}
	c.mu.Lock()
	for key, q := range c.queues {
		if q.acked != noOffset {
			acked[key] = q.acked
		}
	}
	c.mu.Unlock()
	return c.commitOffsets(ctx, acked)
}

// commitOffsets commits offsets to the broker, each only where that is forward: another consumer may have gone on.
func (c *Consumer) commitOffsets(ctx context.Context, offsets map[queueKey]int64) error {
	if len(offsets) == 0 {
		return nil
	}
	queues, err := c.readable(ctx)
	if err != nil {
		return fmt.Errorf("acknowledged messages will come again, offsets not committed: %w", err)
	}
	found := 0
	for _, q := range queues {
		offset, ok := offsets[queueKey{q.Broker, q.ID}]
		if !ok {
			continue
		}
		found++
		committed, err := c.admin.CommittedOffset(ctx, q, c.cfg.Group)
		if err == nil && committed < offset {
			err = c.admin.commitOffset(ctx, q, c.cfg.Group, offset)
		}
		if err != nil {
			return fmt.Errorf("acknowledged messages will come again: %w", err)
		}
	}
	if found < len(offsets) {
		return fmt.Errorf("acknowledged messages of %d queues will come again: their broker is down", len(offsets)-found)
	}
	return nil
}

// readable is the list of the topic's readable queues from the name server, or while none answers the last one
// that was given: a stop in that time must not make repeats.
func (c *Consumer) readable(ctx context.Context) ([]Queue, error) {
	ctx, cancel := context.WithTimeout(ctx, routeTimeout)
	defer cancel()
	route, err := c.admin.Route(ctx, c.cfg.Topic)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.lastRoute = route.Readable
	}
	if len(c.lastRoute) == 0 {
		return nil, err
	}
	return c.lastRoute, nil
}
