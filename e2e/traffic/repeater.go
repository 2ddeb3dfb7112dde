package traffic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// propertyRepeat marks the messages that a Repeater published, so that no Repeater repeats them.
const propertyRepeat = "repeat-of-offset"

// Repeater listens to a topic in a group of its own and publishes every
// message again, as a producer does that never learns that its first send was stored.
type Repeater struct {
	consumer *rocketmq.Consumer
	producer *rocketmq.Producer
	times    func() int

	mu        sync.Mutex
	published int64
	seen      []rocketmq.Delivery
}

// NewRepeater starts a repeater that publishes each message again up to timesMax times,
// drawn from seed.
func NewRepeater(namesrv, topic string, timesMax int, seed uint64) (*Repeater, error) {
	log := slog.New(slog.DiscardHandler)
	draw := rand.New(rand.NewPCG(seed, seed))
	r := &Repeater{times: func() int { return draw.IntN(timesMax + 1) }}

	var err error
	r.producer, err = rocketmq.NewProducer(rocketmq.ProducerConfig{Namesrv: namesrv, Group: "repeater", Logger: log})
	if err != nil {
		return nil, err
	}

	r.consumer, err = rocketmq.NewOrderlyConsumer(rocketmq.ConsumerConfig{
		Namesrv: namesrv, Group: "repeater-" + uuid.NewString(), Topic: topic, BatchMax: 32, Logger: log,
	}, r.handle)
	if err == nil {
		err = r.consumer.Start()
	}
	if err != nil {
		return nil, errors.Join(err, r.producer.Close())
	}
	return r, nil
}

// Published is how many repeats were stored.
func (r *Repeater) Published() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.published
}

// Seen are the messages that no Repeater published, in the order of arrival.
func (r *Repeater) Seen() []rocketmq.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]rocketmq.Delivery(nil), r.seen...)
}

// Stop ends listening. The repeats of what it has seen are published.
func (r *Repeater) Stop(ctx context.Context) error {
	if err := r.consumer.Stop(ctx); err != nil {
		return err
	}
	return r.producer.Close()
}

// Publish sends copies of a message to its queue.
func (r *Repeater) Publish(ctx context.Context, d rocketmq.Delivery, copies int) error {
	if copies == 0 {
		return nil
	}
	m := rocketmq.Message{
		Topic: d.Topic, Queue: d.Queue, Key: d.Key, ShardingKey: d.ShardingKey, Tag: d.Tag, Body: d.Body,
		Properties: map[string]string{propertyRepeat: fmt.Sprint(d.Offset)},
	}
	batch := make([]rocketmq.Message, copies)
	for i := range batch {
		batch[i] = m
	}

	if _, err := r.producer.SendBatch(ctx, d.Topic, d.Queue, queuesOf(d.Topic), batch); err != nil {
		return err
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.published += int64(copies)
	return nil
}

// queuesOf is how many queues the stack gives a topic.
func queuesOf(topic string) int {
	if topic == settlement.TopicPoints {
		return settlement.PointsQueues
	}
	return settlement.DefaultQueues
}

func (r *Repeater) handle(ctx context.Context, batch []rocketmq.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, d := range batch {
		if _, repeat := d.Properties[propertyRepeat]; repeat {
			continue
		}
		r.mu.Lock()
		copies := r.times()
		r.seen = append(r.seen, d)
		r.mu.Unlock()

		if err := r.Publish(ctx, d, copies); err != nil {
			return err
		}
	}
	return nil
}
