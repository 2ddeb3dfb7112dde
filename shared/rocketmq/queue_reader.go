package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	client "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// readMax is the most messages that one Read gives. A broker gives that many at once by default.
const readMax = 32

// ErrOffsetOutside says that a queue has no message at an offset: it expired, or was not stored
// yet.
var ErrOffsetOutside = errors.New("offset is outside of the queue")

// QueueReaderConfig says what to read.
type QueueReaderConfig struct {
	Namesrv string       // ip:port[;ip:port] or http://name:port
	Group   string       // consumer group, for the broker's lists only: nothing is committed for it
	Topic   string       // must exist
	Queue   int          // its number in Route.Readable
	Logger  *slog.Logger // nil: slog.Default()
}

// QueueReader is a pull consumer of one queue. The caller keeps the offset. When it stores the
// offset in one transaction with what it made of the messages, each message takes effect exactly
// once. No group shares the queue out; any number of readers may read it.
type QueueReader struct {
	admin   *Admin
	gateway *gateway
	client  client.PullConsumer
	queue   Queue
}

// OpenQueueReader connects. It fails within about 10 s when the topic or the queue is missing, or
// when no name server or broker answers.
func OpenQueueReader(ctx context.Context, cfg QueueReaderConfig) (*QueueReader, error) {
	admin, err := NewAdmin(cfg.Namesrv)
	if err != nil {
		return nil, err
	}

	r := &QueueReader{admin: admin, gateway: newGateway(inflateMax, loggerOrDefault(cfg.Logger))}
	if err := r.open(ctx, cfg); err != nil {
		r.gateway.shutdown()
		return nil, errors.Join(fmt.Errorf("reader of topic %s queue %d: %w", cfg.Topic, cfg.Queue, err),
			admin.Close())
	}
	return r, nil
}

func (r *QueueReader) open(ctx context.Context, cfg QueueReaderConfig) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := r.admin.Ping(ctx, cfg.Topic); err != nil {
		return err
	}

	route, err := r.admin.Route(ctx, cfg.Topic)
	if err != nil {
		return err
	}
	if cfg.Queue < 0 || cfg.Queue >= len(route.Readable) {
		return fmt.Errorf("the topic has %d readable queues", len(route.Readable))
	}
	r.queue = route.Readable[cfg.Queue]

	adoptLog(loggerOrDefault(cfg.Logger))
	namesrvs, err := r.gateway.namesrvs(r.admin.namesrvs)
	if err != nil {
		return err
	}
	r.client, err = client.NewPullConsumer(
		consumer.WithNameServer(clientNamesrv(namesrvs)),
		consumer.WithGroupName(cfg.Group),
		consumer.WithInstance(uniqueInstance("")),
		consumer.WithConsumerModel(consumer.Clustering),
	)
	if err != nil {
		return err
	}

	// T59: with Subscribe the library would fetch in the background from offsets of its own, and
	// commit them. Assigned to no queue, the library only knows the topic. Without the topic it
	// would not start.
	if err := r.client.Assign(cfg.Topic, nil); err != nil {
		return err
	}
	return r.client.Start()
}

// Ends returns the offset of the oldest message that is stored and the offset that the next message
// will get; see Admin.MaxOffset for what may be missing.
func (r *QueueReader) Ends(ctx context.Context) (oldest, next int64, err error) {
	if oldest, err = r.admin.MinOffset(ctx, r.queue); err != nil {
		return 0, 0, err
	}
	next, err = r.admin.MaxOffset(ctx, r.queue)
	return oldest, next, err
}

// Read gives the messages from offset on, 1 to 32, and the offset to go on with. At the queue's end
// it waits, 20 s at most, and then gives none. A caller that must not wait compares with Ends
// first. The error is ErrOffsetOutside when there is no such offset.
func (r *QueueReader) Read(ctx context.Context, offset int64) (messages []Delivery, next int64, err error) {
	type answer struct {
		result *primitive.PullResult
		err    error
	}
	done := make(chan answer, 1)
	// T60: pull in a goroutine, because the library looks at no context. The call ends by its own
	// timeout of 30 s.
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- answer{err: fmt.Errorf("panic in the RocketMQ client: %v", p)}
			}
		}()
		// T60: a new queue struct each time, because the library keeps it in the messages that it
		// returns.
		queue := &primitive.MessageQueue{
			Topic: r.queue.Topic, BrokerName: r.queue.Broker, QueueId: r.queue.ID,
		}
		result, err := r.client.PullFrom(ctx, queue, offset, readMax)
		done <- answer{result, err}
	}()

	var got answer
	select {
	case got = <-done:
	case <-ctx.Done():
		return nil, 0, fmt.Errorf("read topic %s queue %d at offset %d: %w",
			r.queue.Topic, r.queue.ID, offset, ctx.Err())
	}
	if got.err != nil {
		return nil, 0, fmt.Errorf("read topic %s queue %d at offset %d: %w",
			r.queue.Topic, r.queue.ID, offset, got.err)
	}

	switch got.result.Status {
	case primitive.PullFound:
		for _, m := range got.result.GetMessageExts() {
			messages = append(messages, newDelivery(m, r.queue.Broker, r.queue.ID))
		}
		return messages, got.result.NextBeginOffset, nil
	case primitive.PullNoNewMsg:
		return nil, offset, nil
	case primitive.PullNoMsgMatched, primitive.PullBrokerTimeout:
		return nil, got.result.NextBeginOffset, nil
	case primitive.PullOffsetIllegal:
		// T61: the library calls this no error. A caller that goes on at its next offset passes
		// messages over, or reads them again.
		return nil, 0, fmt.Errorf("topic %s queue %d: %w: %d, it has %d to %d",
			r.queue.Topic, r.queue.ID, ErrOffsetOutside, offset, got.result.MinOffset, got.result.MaxOffset)
	}
	return nil, 0, fmt.Errorf("read topic %s queue %d at offset %d: status %d is unknown", r.queue.Topic,
		r.queue.ID, offset, got.result.Status)
}

// Close closes the reader, within 5 s; a Read under way fails.
func (r *QueueReader) Close() error {
	done := make(chan error, 1)
	go func() { done <- r.client.Shutdown() }() // the library waits long when the broker is away
	var err error
	select {
	case err = <-done:
	case <-time.After(finishTimeout):
		err = fmt.Errorf("RocketMQ client's shutdown took more than %s", finishTimeout)
	}

	r.gateway.shutdown()
	return errors.Join(err, r.admin.Close())
}
