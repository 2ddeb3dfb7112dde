package rocketmq

import (
	"context"
	"fmt"

	client "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// These limits bound the messages of the topic that the library holds before they are consumed. It
// shares them out evenly among the topic's queues. T33: its own default is 51,200 MiB.
const (
	prefetchMessages = 8192
	prefetchMiB      = 64
)

// library is the library's consumer. Rebalance shares the queues out now. The library's type has
// this method, its interface does not.
type library interface {
	client.PushConsumer
	Rebalance()
}

// session is one consumer of the library, from its start to its shutdown. A Consumer gets another
// session when the watchdog replaces it.
type session struct {
	consumer *Consumer
	client   library
	gateway  *gateway

	// Guarded by consumer.mu.
	closing   bool   // no new handlers
	abandoned bool   // the library is to have no queue
	clientID  string // as the broker knows it; empty: not known yet
	inFlight  int    // handlers under way
	idle      chan struct{}
	assigned  map[queueKey]bool         // nil: not known yet
	share     []*primitive.MessageQueue // the same queues, as the library has them
}

func startSession(c *Consumer) (*session, error) {
	s := &session{consumer: c, gateway: newGateway(c.inflateMax, c.logger)}
	if err := s.start(); err != nil {
		s.gateway.shutdown()
		return nil, err
	}
	return s, nil
}

func (s *session) start() error {
	c := s.consumer
	namesrvs, err := s.gateway.namesrvs(c.admin.namesrvs)
	if err != nil {
		return err
	}

	inner, err := client.NewPushConsumer(
		consumer.WithNameServer(clientNamesrv(namesrvs)),
		consumer.WithGroupName(c.cfg.Group),
		consumer.WithInstance(uniqueInstance(c.cfg.Instance)),
		consumer.WithConsumerModel(consumer.Clustering),
		consumer.WithConsumerOrder(true),
		// T6: by default a new group skips what was sent before its start, unless the topic is
		// young.
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
		consumer.WithConsumeMessageBatchMaxSize(c.cfg.BatchMax),
		consumer.WithPullBatchSize(int32(max(32, c.cfg.BatchMax))), //nolint:gosec // at most batchMaxLimit
		// T2: with a limit the next message of the same key would overtake the one that fails. In
		// an orderly consumer -1 means no limit.
		consumer.WithMaxReconsumeTimes(-1),
		// T33: these limits are for the topic, because the options for a queue are overwritten at
		// every rebalance.
		consumer.WithPullThresholdForTopic(prefetchMessages),
		consumer.WithPullThresholdSizeForTopic(prefetchMiB),
		consumer.WithStrategy(s.allocate),
	)
	if err != nil {
		return err
	}

	var ok bool
	if s.client, ok = inner.(library); !ok {
		return fmt.Errorf("%T cannot be made to share its queues out: this is another version of the RocketMQ client",
			inner)
	}
	if err := inner.Subscribe(c.cfg.Topic, consumer.MessageSelector{}, s.deliver); err != nil {
		return err
	}

	c.mu.Lock()
	for _, q := range c.queues {
		q.begin() // what is known belongs to the previous session, which has committed it
	}
	c.mu.Unlock()
	return inner.Start()
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

// resume undoes drain: the session takes batches again.
func (s *session) resume() {
	s.consumer.mu.Lock()
	defer s.consumer.mu.Unlock()
	s.closing, s.idle = false, nil
}
