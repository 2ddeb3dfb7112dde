package traffic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"settlement/e2e/wait"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// propertyRepeat marks the messages that a Repeater published, so that no Repeater repeats them.
const propertyRepeat = "repeat-of-offset"

// readMax bounds how long a repeater reads in vain: the longest outage of a fault case, and a pull
// that waits at the end of its queue.
const readMax = 2 * time.Minute

// Repeater reads a topic from its end on and publishes every message again, as a producer does that
// never learns that its first send was stored.
type Repeater struct {
	producer *rocketmq.Producer
	readers  []*rocketmq.QueueReader
	times    func() int
	stop     context.CancelFunc
	reading  sync.WaitGroup

	mu        sync.Mutex
	published int64
	seen      []rocketmq.Delivery
	failure   error
}

// NewRepeater starts a repeater of what is published from now on. It publishes each message again
// up to timesMax times, drawn from seed.
func NewRepeater(ctx context.Context, namesrv, topic string, timesMax int, seed uint64) (*Repeater, error) {
	log := slog.New(slog.DiscardHandler)
	draw := rand.New(rand.NewPCG(seed, seed))
	r := &Repeater{times: func() int { return draw.IntN(timesMax + 1) }}

	var err error
	r.producer, err = rocketmq.NewProducer(rocketmq.ProducerConfig{
		Namesrv: namesrv, Group: "repeater", Logger: log,
	})
	if err != nil {
		return nil, err
	}

	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	for queue := range queuesOf(topic) {
		err := r.follow(ctx, reading, rocketmq.QueueReaderConfig{
			Namesrv: namesrv, Group: "repeater", Topic: topic, Queue: queue, Logger: log,
		})
		if err != nil {
			return nil, errors.Join(err, r.Stop())
		}
	}
	return r, nil
}

// follow opens a reader at a queue's end and repeats what it gives until reading ends.
func (r *Repeater) follow(ctx, reading context.Context, cfg rocketmq.QueueReaderConfig) error {
	reader, err := rocketmq.OpenQueueReader(ctx, cfg)
	if err != nil {
		return err
	}
	r.readers = append(r.readers, reader)

	_, offset, err := reader.Ends(ctx)
	if err != nil {
		return err
	}
	r.reading.Go(func() {
		if err := r.repeatFrom(ctx, reading, reader, offset); err != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.failure = errors.Join(r.failure, err)
		}
	})
	return nil
}

// repeatFrom repeats what a queue holds from offset on until reading ends. What it has seen by then
// is repeated still.
func (r *Repeater) repeatFrom(
	ctx, reading context.Context, reader *rocketmq.QueueReader, offset int64,
) error {
	for reading.Err() == nil {
		batch, next, err := read(reading, reader, offset)
		if reading.Err() != nil && len(batch) == 0 {
			return nil // it was told to end
		}
		if err != nil {
			return err
		}
		if err := r.repeat(ctx, batch); err != nil {
			return err
		}
		offset = next
	}
	return nil
}

// read reads until the broker answers. That there is no such offset is an answer.
func read(
	ctx context.Context, reader *rocketmq.QueueReader, offset int64,
) (batch []rocketmq.Delivery, next int64, outside error) {
	err := wait.For(ctx, readMax, func(ctx context.Context) (err error) {
		batch, next, err = reader.Read(ctx, offset)
		if errors.Is(err, rocketmq.ErrOffsetOutside) {
			outside, err = err, nil
		}
		return err
	})
	return batch, next, errors.Join(outside, err)
}

// Published is how many repeats were stored.
func (r *Repeater) Published() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.published
}

// Seen are the messages that no Repeater published, in the order of arrival. The error says when
// the repeater has read or published in vain.
func (r *Repeater) Seen() ([]rocketmq.Delivery, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]rocketmq.Delivery(nil), r.seen...), r.failure
}

// Stop ends reading when the repeats of what was seen are published. The error is like Seen's.
func (r *Repeater) Stop() error {
	r.stop()
	r.reading.Wait()
	err := r.failure
	for _, reader := range r.readers {
		err = errors.Join(err, reader.Close())
	}
	return errors.Join(err, r.producer.Close())
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

func (r *Repeater) repeat(ctx context.Context, batch []rocketmq.Delivery) error {
	for _, d := range batch {
		if _, repeat := d.Properties[propertyRepeat]; repeat {
			continue
		}

		r.mu.Lock()
		copies := r.times()
		r.seen = append(r.seen, d)
		r.mu.Unlock()

		err := wait.For(ctx, readMax, func(ctx context.Context) error { return r.Publish(ctx, d, copies) })
		if err != nil {
			return err
		}
	}
	return nil
}
