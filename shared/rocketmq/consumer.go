package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// startTimeout bounds the questions that Start asks before it starts the library's consumer.
	startTimeout = 10 * time.Second
	// handlerGrace is how long Stop waits for handlers after it has cancelled their context.
	handlerGrace = 2 * time.Second
	// finishTimeout bounds what comes after the handlers: committing offsets and the library's
	// shutdown.
	finishTimeout = 5 * time.Second
	// batchMaxLimit is the library's own limit.
	batchMaxLimit = 1024
)

// Handler is given messages of one queue in the order of their offsets. A nil error acknowledges
// all of them. After an error or a panic the queue pauses, 100 ms doubling up to 5 s, and the same
// messages are given again, perhaps with later ones behind them. Other queues go on. Handlers of
// different queues run at the same time. ctx ends only when Stop has waited as long as it may: the
// handler itself has to limit the time of one call.
type Handler func(ctx context.Context, batch []Delivery) error

// ConsumerConfig says what to consume.
type ConsumerConfig struct {
	Namesrv  string       // ip:port[;ip:port] or http://name:port
	Group    string       // consumer group: its members share the queues, and must all consume the same topic
	Topic    string       // must exist
	Instance string       // a label in the client's id, which is made unique; may be empty
	BatchMax int          // most messages in one call of the handler, 1 to 1024
	Logger   *slog.Logger // nil: slog.Default()
}

// Consumer is an orderly push consumer of one topic. A group that never committed begins with the
// oldest message. The queues are shared out among the group's consumers every 20 s, and when a
// consumer comes or goes. The first message arrives about 3 s after Start.
//
// Where the broker has less than the group has consumed, the consumer begins again with the oldest
// message (see loss.go). An operator's reset takes effect, whether or not the consumer is stopped
// meanwhile (see moved.go). After a crash, messages that were acknowledged in the last 5 s (10 s
// just after Start) come again. The queues come back when the broker's lock has expired, after 60 s
// or what its lockMaxLiveTime says.
type Consumer struct {
	cfg            ConsumerConfig
	handle         Handler
	admin          *Admin
	logger         *slog.Logger
	handlers       context.Context // of every handler
	cancelHandlers context.CancelFunc
	timing         watchTiming
	inflateMax     int // bytes

	mu        sync.Mutex
	starting  bool
	session   *session // nil: not started, or a new one could not be started
	queues    map[queueKey]*queueProgress
	losses    *lossWatch
	lost      map[queueKey]bool // queues that have to begin again
	asking    int               // refused offsets whose reason is being asked for
	lastRoute []Queue           // readable queues of the topic, as the name server gave them last
	stalled   []int
	wake      chan struct{} // makes the watchdog look now
	stopWatch context.CancelFunc
	watchDone chan struct{}
	stopped   chan struct{} // non-nil: Stop was called; closed: Stop is done
	stopErr   error
}

// NewOrderlyConsumer makes a consumer; nothing is dialled before Start. The error says which
// setting is wrong.
func NewOrderlyConsumer(cfg ConsumerConfig, handle Handler) (*Consumer, error) {
	if cfg.Group == "" || cfg.Topic == "" || handle == nil {
		return nil, fmt.Errorf("consumer: group %q, topic %q and a handler are all needed",
			cfg.Group, cfg.Topic)
	}
	if cfg.BatchMax < 1 || cfg.BatchMax > batchMaxLimit {
		return nil, fmt.Errorf("consumer %s: BatchMax %d must be 1 to %d",
			cfg.Group, cfg.BatchMax, batchMaxLimit)
	}
	admin, err := NewAdmin(cfg.Namesrv)
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", cfg.Group, err)
	}

	logger := loggerOrDefault(cfg.Logger).With("topic", cfg.Topic, "group", cfg.Group)
	adoptLog(loggerOrDefault(cfg.Logger))
	handlers, cancel := context.WithCancel(context.Background())
	return &Consumer{
		cfg: cfg, handle: handle, admin: admin, logger: logger, handlers: handlers, cancelHandlers: cancel,
		timing: defaultTiming, inflateMax: inflateMax, queues: map[queueKey]*queueProgress{},
		losses: newLossWatch(), lost: map[queueKey]bool{},
		wake: make(chan struct{}, 1),
	}, nil
}

// Start starts consuming. It fails, within about 10 s, when the topic is missing, when no name
// server or broker answers, or when it was started or stopped before; after the first two it can be
// tried again.
func (c *Consumer) Start() error {
	c.mu.Lock()
	if c.starting || c.session != nil || c.stopped != nil {
		c.mu.Unlock()
		return fmt.Errorf("consumer %s: already started or stopped", c.cfg.Group)
	}
	c.starting = true
	c.mu.Unlock()

	ctx, cancel := context.WithTimeout(c.handlers, startTimeout)
	defer cancel()
	c.listen(true)
	err := c.openSession(ctx)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.starting = false
	if err != nil {
		c.listen(false)
		return fmt.Errorf("start consumer %s of %s: %w", c.cfg.Group, c.cfg.Topic, err)
	}

	watch, stop := context.WithCancel(c.handlers)
	c.stopWatch, c.watchDone = stop, make(chan struct{})
	go c.watch(watch, c.watchDone)
	return nil
}

// Stop takes no more messages, waits for the handlers under way, commits what they acknowledged and
// leaves the group. When it returns nil, the next consumer of the group begins exactly behind the
// last acknowledged message of each queue. When ctx ends first, the handlers' context is cancelled
// and they get 2 s more; what they did not acknowledge comes again. Stop returns 10 s after ctx at
// the latest. Later calls return the result of the first. A consumer that was never started is just
// closed.
func (c *Consumer) Stop(ctx context.Context) error {
	c.mu.Lock()
	if stopped := c.stopped; stopped != nil {
		c.mu.Unlock()
		select {
		case <-stopped:
			return c.stopErr
		case <-ctx.Done():
			return fmt.Errorf("stop consumer %s: another Stop is still waiting: %w", c.cfg.Group, ctx.Err())
		}
	}
	c.stopped = make(chan struct{})
	stopWatch, watchDone := c.stopWatch, c.watchDone
	c.mu.Unlock()
	defer close(c.stopped)

	if stopWatch != nil {
		stopWatch()
		// Wait for the watchdog, which may be replacing the session.
		select {
		case <-watchDone:
		case <-ctx.Done():
		}
	}

	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if err := c.stopSession(ctx, s); err != nil {
		c.stopErr = fmt.Errorf("stop consumer %s of %s: %w", c.cfg.Group, c.cfg.Topic, err)
	}

	c.listen(false)
	c.cancelHandlers()
	return errors.Join(c.stopErr, c.admin.Close())
}

func (c *Consumer) stopSession(ctx context.Context, s *session) error {
	if s == nil {
		return nil
	}

	drainErr := s.drain(ctx)
	if drainErr != nil {
		c.cancelHandlers()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), handlerGrace)
		defer cancel()
		drainErr = s.drain(grace)
	}

	// Acknowledged messages are committed even when the caller's time is over: the commit takes
	// little time, repeats would take more.
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	return errors.Join(drainErr, s.finish(finish))
}

// openSession starts a session and makes it the consumer's, unless the consumer is being stopped.
func (c *Consumer) openSession(ctx context.Context) error {
	// T35: the library's own start would wait much longer for a silent name server, and would not
	// say what is wrong.
	if err := c.admin.Ping(ctx, c.cfg.Topic); err != nil {
		return err
	}
	if err := c.refuseOffsetsBeyondTheEnd(ctx); err != nil {
		return err
	}
	if err := c.beginAgain(ctx); err != nil {
		return err
	}

	s, err := startSession(c)
	if err != nil {
		return err
	}

	c.mu.Lock()
	stopping := c.stopped != nil
	if !stopping {
		c.session = s
	}
	c.mu.Unlock()

	if stopping {
		finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer cancel()
		return errors.Join(errors.New("stopped meanwhile"), s.drain(finish), s.finish(finish))
	}
	return nil
}
