package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync"
	"time"

	client "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

const (
	// publishTimeout bounds one SendBatch, the look at the route included.
	publishTimeout = 3 * time.Second
	// sendsMax is how many SendBatch run at a time; more wait their turn.
	sendsMax = 64
	// routeTTL is how long a route is believed before it is asked for again.
	routeTTL = 5 * time.Second
	// routeTimeout bounds the question for a route, so that a silent name server leaves time for
	// the send.
	routeTimeout = time.Second
)

// ErrOutcomeUnknown is in the errors of SendBatch after which the messages may or may not be
// stored, as after a timeout. When an error does not contain it, none of them is stored.
var ErrOutcomeUnknown = errors.New("the messages may have been stored")

// ProducerConfig says where to publish.
type ProducerConfig struct {
	Namesrv  string       // ip:port[;ip:port] or http://name:port
	Group    string       // producer group, a name for the broker's statistics
	Instance string       // a label in the client's id, which is made unique; may be empty
	Logger   *slog.Logger // nil: slog.Default()
}

// Producer publishes batches to queues that the caller chose. Safe for concurrent use.
//
// It reads from the brokers without the gateway that bounds what a Consumer inflates. Behind an
// gateway, a broker to which no connection can be made would look like one that may have stored the
// messages. A program that may write to the broker can therefore make it send a
// compressed body here, as a check of a transaction of this group or as a reply to this client, and
// the library inflates it without a limit. So only trusted programs may reach the broker, or the
// broker has to ask for credentials.
type Producer struct {
	client client.Producer
	admin  *Admin
	logger *slog.Logger
	turns  chan struct{} // one token for each send under way
	closed chan struct{}
	close  sync.Once

	mu     sync.Mutex
	routes map[string]*cachedRoute // by topic
}

type cachedRoute struct {
	writable []Queue
	asked    time.Time
}

// NewProducer makes a producer and starts it. No server is asked yet: the first SendBatch says if
// it cannot be reached.
func NewProducer(cfg ProducerConfig) (*Producer, error) {
	addrs, err := parseNamesrv(cfg.Namesrv)
	if err != nil {
		return nil, err
	}
	if cfg.Group == "" {
		return nil, errors.New("producer: Group is empty, give the service's name")
	}

	logger := loggerOrDefault(cfg.Logger)
	adoptLog(logger)
	inner, err := client.NewProducer(
		producer.WithNameServer(clientNamesrv(addrs)),
		producer.WithGroupName(cfg.Group),
		producer.WithInstanceName(uniqueInstance(cfg.Instance)),
		// T17: any other selector moves keys to other queues. Here the caller chooses the queue.
		producer.WithQueueSelector(producer.NewManualQueueSelector()),
		// T43: the library's own retries would make the time of a send four times as long and hide
		// what happened. The relay sends again anyway.
		producer.WithRetry(0),
		producer.WithSendMsgTimeout(publishTimeout),
		// T47: the library only ever compresses a batch of one. Readers of the topic would find
		// that message unlike the others.
		producer.WithCompressMsgBodyOverHowmuch(math.MaxInt),
	)
	if err != nil {
		return nil, fmt.Errorf("producer %s: %w", cfg.Group, err)
	}

	if err := inner.Start(); err != nil {
		return nil, fmt.Errorf("start producer %s: %w", cfg.Group, err)
	}

	admin, err := NewAdmin(cfg.Namesrv)
	if err != nil {
		return nil, errors.Join(err, inner.Shutdown())
	}
	return &Producer{
		client: inner, admin: admin, logger: logger, turns: make(chan struct{}, sendsMax),
		closed: make(chan struct{}), routes: map[string]*cachedRoute{},
	}, nil
}

// SendBatch publishes msgs, 1 to BatchMax and at most BatchMaxBytes, as one batch to exactly the
// given queue of topic. Each message must name the same topic and queue. A nil error means that the
// broker has stored all of them, from the offset first on. SendBatch refuses when the topic does
// not have exactly queues writable queues, because another count would give orders other queues.
// Queues are numbered in the order of Route.Writable. SendBatch takes 3 s at most.
//
// After an error with ErrOutcomeUnknown the messages may be stored, even after SendBatch has
// returned. Sending them again makes repeats; not sending them again may lose them.
func (p *Producer) SendBatch(
	ctx context.Context, topic string, queue, queues int, msgs []Message,
) (first int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()

	select {
	case p.turns <- struct{}{}:
	case <-ctx.Done():
		return 0, fmt.Errorf("publish to %s queue %d: no turn among %d sends: %w",
			topic, queue, sendsMax, ctx.Err())
	case <-p.closed:
		return 0, fmt.Errorf("publish to %s queue %d: producer is closed", topic, queue)
	}

	release := func() { <-p.turns }
	target, err := p.target(ctx, topic, queue, queues)
	if err != nil {
		release()
		return 0, fmt.Errorf("publish to %s queue %d: %w", topic, queue, err)
	}

	batch, err := encodeBatch(topic, queue, target, msgs)
	if err != nil {
		release()
		return 0, fmt.Errorf("publish to %s queue %d: %w", topic, queue, err)
	}

	type stored struct {
		first int64
		err   error
	}
	done := make(chan stored, 1)
	// T44: send in a goroutine, because the library waits for its locks and for the name server
	// whatever the context says. The turn is held until the send really ends, which bounds how many
	// sends can pile up.
	go func() {
		defer release()
		first, err := p.send(ctx, batch)
		done <- stored{first, err}
	}()

	select {
	case s := <-done:
		first, err = s.first, s.err
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, ctx.Err())
	}
	if err != nil {
		p.doubtRoute(topic)
		return 0, fmt.Errorf("publish %d messages to %s queue %d: %w", len(msgs), topic, queue, err)
	}
	return first, nil
}

func (p *Producer) send(ctx context.Context, batch []*primitive.Message) (first int64, err error) {
	// A panic here would end the process: no caller can recover it in this goroutine.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: panic in the RocketMQ client: %v", ErrOutcomeUnknown, r)
		}
	}()

	// T44: when the context has ended, the library would write with a deadline that is over, and
	// close the connection on which all other sends wait.
	if ctx.Err() != nil {
		return 0, fmt.Errorf("not sent: %w", ctx.Err())
	}

	result, err := p.client.SendSync(ctx, batch...)
	if err = outcome(result, err); err != nil {
		return 0, err
	}
	return result.QueueOffset, nil
}

// outcome is nil only when the broker has stored the messages. T42: the library's error is nil for
// flush and replica timeouts too, and a crash of the broker would lose the messages. T12: after any
// error it is unknown what happened, unless no connection was made. A broken connection may have
// carried the request, and the library's error for a refusal looks like any other.
func outcome(result *primitive.SendResult, err error) error {
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("not sent: %w", err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	case result == nil || result.Status != primitive.SendOK:
		return fmt.Errorf("%w: broker answered %v, not SendOK", ErrOutcomeUnknown, result)
	default:
		return nil
	}
}

// target returns the writable queue of topic with the given number. It refuses when topic does not
// have exactly queues of them.
func (p *Producer) target(ctx context.Context, topic string, queue, queues int) (Queue, error) {
	if queue < 0 || queue >= queues {
		return Queue{}, fmt.Errorf("queue must be 0 to %d", queues-1)
	}

	writable, err := p.writable(ctx, topic)
	if err != nil {
		return Queue{}, err
	}

	// T17: to go on with another count would send an order's next message to another queue than its
	// last one.
	if len(writable) != queues {
		p.setRoute(topic, nil)
		return Queue{}, fmt.Errorf("topic has %d writable queues, configured are %d: bring back the missing broker or correct the configuration",
			len(writable), queues)
	}
	return writable[queue], nil
}

// writable lists the writable queues as the name server gives them, or gave them at most routeTTL
// ago. While no name server answers, or none knows any broker because it has just started, the last
// list stands: brokers go on without name servers, and so must we.
func (p *Producer) writable(ctx context.Context, topic string) ([]Queue, error) {
	p.mu.Lock()
	cached := p.routes[topic]
	if cached != nil && time.Since(cached.asked) < routeTTL {
		defer p.mu.Unlock()
		return cached.writable, nil
	}
	if cached != nil {
		cached.asked = time.Now() // other sends go on with the old list while this one asks
	}
	p.mu.Unlock()

	routeCtx, cancel := context.WithTimeout(ctx, routeTimeout)
	defer cancel()
	route, err := p.admin.Route(routeCtx, topic)
	switch {
	case err == nil:
		p.setRoute(topic, &cachedRoute{writable: route.Writable, asked: time.Now()})
		return route.Writable, nil
	case errors.Is(err, ErrTopicMissing) && !errors.Is(err, errNoBroker):
		p.setRoute(topic, nil)
		return nil, err
	case cached == nil || ctx.Err() != nil:
		return nil, err
	default:
		p.logger.Warn("name server gives no route, publishing by the one it gave before",
			"topic", topic, "error", err)
		return cached.writable, nil
	}
}

// setRoute remembers a topic's route. With nil it forgets the route, and no send goes by the old
// one any more.
func (p *Producer) setRoute(topic string, route *cachedRoute) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if route == nil {
		delete(p.routes, topic)
		return
	}
	p.routes[topic] = route
}

// doubtRoute makes the next send ask for the route again.
func (p *Producer) doubtRoute(topic string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cached := p.routes[topic]; cached != nil {
		cached.asked = time.Time{}
	}
}

// Close waits for the sends under way, 3 s at most, and stops the producer. Later sends fail. It
// may be called more than once.
func (p *Producer) Close() (err error) {
	p.close.Do(func() {
		close(p.closed)
		ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
		defer cancel()

		for range sendsMax {
			select {
			case p.turns <- struct{}{}: // kept, so that no send begins again
			case <-ctx.Done():
			}
		}

		err = errors.Join(p.client.Shutdown(), p.admin.Close())
	})
	return err
}
