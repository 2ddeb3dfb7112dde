package intake

import (
	"context"
	"time"

	"settlement/shared/lifecycle"
	"settlement/shared/rocketmq"
)

// Consumption is a consumer that starts as soon as the broker lets it.
type Consumption struct {
	consumer    *rocketmq.Consumer
	starting    *lifecycle.Later
	stopTimeout time.Duration
}

// Consume begins to start a consumer whose batches go to handle. Stop takes stopTimeout and 10 s
// more at the most. The error says which setting is wrong.
func Consume(
	ctx context.Context, cfg rocketmq.ConsumerConfig, handle rocketmq.Handler, stopTimeout time.Duration,
) (*Consumption, error) {
	consumer, err := rocketmq.NewOrderlyConsumer(cfg, handle)
	if err != nil {
		return nil, err
	}
	starting := lifecycle.StartLater(ctx, cfg.Logger, "consumer of "+cfg.Topic, consumer.Start)
	return &Consumption{consumer: consumer, starting: starting, stopTimeout: stopTimeout}, nil
}

// Started is nil once the consumer has started. Before, it says what keeps it from starting.
func (c *Consumption) Started(ctx context.Context) error { return c.starting.Started(ctx) }

// Stop stops the consumer, or gives its start up. ctx is only asked for its values: a service stops
// when its context has ended.
func (c *Consumption) Stop(ctx context.Context) error {
	c.starting.GiveUp()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.stopTimeout)
	defer cancel()
	return c.consumer.Stop(stopping)
}
