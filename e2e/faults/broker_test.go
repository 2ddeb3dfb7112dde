package faults_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/faults"
	"settlement/e2e/traffic"
	"settlement/e2e/wait"
	"settlement/shared/rocketmq"
)

// broker is a real broker with a topic of one queue, behind proxies.
type broker struct {
	*faults.RocketMQ
	namesrv, topic, group string // the name server itself
	admin                 *rocketmq.Admin
}

func newBroker(t *testing.T) broker {
	t.Helper()
	namesrv, addr := os.Getenv("TEST_NAMESRV_ADDR"), os.Getenv("TEST_BROKER_ADDR")
	if namesrv == "" || addr == "" {
		t.Fatal("TEST_NAMESRV_ADDR or TEST_BROKER_ADDR is not set: this test needs a real RocketMQ, run it with `make test`")
	}

	p, err := faults.NewRocketMQ(namesrv, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	admin, err := rocketmq.NewAdmin(namesrv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })

	b := broker{
		RocketMQ: p, namesrv: namesrv, topic: "test-" + uuid.NewString(), group: "test-" + uuid.NewString(),
		admin: admin,
	}
	if err := admin.CreateTopic(t.Context(), b.topic, 1); err != nil {
		t.Fatal(err)
	}
	return b
}

func quiet(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
}

// producer returns a way to send one message, through the proxies or past them.
func (b broker) producer(t *testing.T, namesrv string) (send func(body string) error) {
	t.Helper()
	p, err := rocketmq.NewProducer(rocketmq.ProducerConfig{
		Namesrv: namesrv, Group: "test-" + uuid.NewString(), Logger: quiet(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return func(body string) error {
		_, err := p.SendBatch(context.Background(), b.topic, 0, 1,
			[]rocketmq.Message{{Topic: b.topic, Key: "k", Body: []byte(body)}})
		return err
	}
}

// isStored waits until the topic holds exactly the bodies.
func (b broker) isStored(t *testing.T, want ...string) {
	t.Helper()
	wait.Until(t, patience, func() error {
		messages, err := traffic.Messages(t.Context(), b.namesrv, b.topic)
		if err != nil {
			return err
		}
		var got []string
		for _, m := range messages {
			got = append(got, string(m.Body))
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("the broker has stored %v, want %v", got, want)
		}
		return nil
	})
}

var sends = []int{faults.SendMessage, faults.SendMessageV2, faults.SendBatch}

// Each rule's Then sends a message past the proxies. Its place in the topic shows what the server
// had done by then.
func TestBrokerEffectsOnSends(t *testing.T) {
	const delay = 500 * time.Millisecond
	for _, tc := range []struct {
		name   string
		do     faults.FrameEffect
		fails  bool
		stored []string
	}{
		{"pass", faults.Pass, false, []string{"then", "it", "end"}},
		{"pass answer", faults.PassAnswer, false, []string{"it", "then", "end"}},
		{"drop request", faults.DropRequest, true, []string{"then", "end"}},
		{"drop answer", faults.DropAnswer, true, []string{"it", "then", "end"}},
		{"twice", faults.Twice, false, []string{"then", "it", "it", "end"}},
		{"delay", faults.Delay, false, []string{"then", "it", "end"}},
		{"cut request", faults.CutRequest, true, []string{"then", "end"}},
		{"cut answer", faults.CutAnswer, true, []string{"it", "then", "end"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			through, past := b.producer(t, b.NamesrvAddr()), b.producer(t, b.namesrv)
			rule := &faults.FrameRule{
				Codes: sends, Topic: b.topic, Limit: 1, Do: tc.do, For: delay, Then: func() {
					if err := past("then"); err != nil {
						t.Errorf("send past the proxies: %v", err)
					}
				},
			}
			b.Add(&faults.FrameRule{Codes: sends, Topic: "other", Do: faults.DropRequest})
			b.Add(rule)

			began := time.Now()
			if err := through("it"); tc.fails != (err != nil) || tc.fails &&
				!errors.Is(err, rocketmq.ErrOutcomeUnknown) {
				t.Errorf("send: error %v, want one of unknown outcome: %t", err, tc.fails)
			}
			if took := time.Since(began); tc.do == faults.Delay && took < delay {
				t.Errorf("delayed send took %s, want at least %s", took, delay)
			}

			// The client may not know yet that its connection was cut.
			wait.Until(t, patience, func() error { return through("end") })
			if rule.Fired() != 1 {
				t.Errorf("fired %d times, want once", rule.Fired())
			}
			b.isStored(t, tc.stored...)
		})
	}
}

func TestBrokerOthersOvertakeADelayedSend(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	through, held := b.producer(t, b.NamesrvAddr()), make(chan struct{})
	b.Add(&faults.FrameRule{
		Codes: sends, Limit: 1, Do: faults.Delay, For: time.Second, Then: func() { close(held) },
	})

	late := make(chan error, 1)
	go func() { late <- through("late") }()
	<-held
	if err := through("early"); err != nil {
		t.Error(err)
	}
	if err := <-late; err != nil {
		t.Error(err)
	}
	b.isStored(t, "early", "late")
}

// A frozen broker stores nothing, and what was held arrives with the thaw.
func TestBrokerFrozen(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	through, past := b.producer(t, b.NamesrvAddr()), b.producer(t, b.namesrv)
	if err := through("before"); err != nil {
		t.Fatal(err)
	}

	b.Freeze()
	if err := through("held"); !errors.Is(err, rocketmq.ErrOutcomeUnknown) {
		t.Errorf("send into the freeze: error %v, want an unknown outcome", err)
	}
	if err := past("past"); err != nil {
		t.Error(err)
	}

	b.Thaw()
	b.isStored(t, "before", "past", "held")
}

// consume starts a consumer through the proxies and returns a function that stops it. Each message
// goes to handle.
func (b broker) consume(t *testing.T, handle func(context.Context) error) (stop func() error) {
	t.Helper()
	c, err := rocketmq.NewOrderlyConsumer(rocketmq.ConsumerConfig{
		Namesrv: b.NamesrvAddr(), Group: b.group, Topic: b.topic, BatchMax: 1, Logger: quiet(t),
	}, func(ctx context.Context, _ []rocketmq.Delivery) error { return handle(ctx) })
	if err != nil {
		t.Fatal(err)
	}

	stop = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return c.Stop(ctx)
	}
	t.Cleanup(func() { _ = stop() })
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return stop
}

// Messages whose offset is not committed are fetched again, and counted so.
func TestBrokerLostOffsetCommits(t *testing.T) {
	t.Parallel()
	const count = 5
	b := newBroker(t)
	send := b.producer(t, b.namesrv)
	for i := range count {
		if err := send(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	b.isStored(t, "0", "1", "2", "3", "4")

	lost := &faults.FrameRule{Codes: []int{faults.CommitOffset}, Group: b.group, Do: faults.DropRequest}
	pulls := &faults.FrameRule{Codes: []int{faults.PullMessage}, Group: b.group, Topic: b.topic}
	locks := &faults.FrameRule{Codes: []int{faults.LockQueues}, Group: b.group, Topic: b.topic}
	for _, rule := range []*faults.FrameRule{lost, pulls, locks} {
		b.Add(rule)
	}

	handled := make(chan struct{}, 2*count)
	handle := func(context.Context) error {
		handled <- struct{}{}
		return nil
	}
	stop := b.consume(t, func(ctx context.Context) error {
		// A pull commits the offset too: the second pull must be under way before there is anything
		// to commit.
		if pulls.Fired() < 2 {
			return errors.New("no second pull yet: give it again")
		}
		return handle(ctx)
	})

	for range count {
		<-handled
	}
	if err := stop(); err == nil {
		t.Error("the consumer could commit its offsets")
	}
	route, err := b.admin.Route(t.Context(), b.topic)
	if err != nil {
		t.Fatal(err)
	}
	if offset, err := b.admin.CommittedOffset(t.Context(), route.Readable[0], b.group); err != nil ||
		offset > 0 {
		t.Errorf("committed offset %d, error %v; want none", offset, err)
	}
	if lost.Fired() == 0 || locks.Fired() == 0 || b.Fetched()[b.group] != (faults.Fetched{Messages: count}) {
		t.Errorf("%d offset commits lost, %d locks, %+v; want some, some, and %d messages", lost.Fired(),
			locks.Fired(), b.Fetched()[b.group], count)
	}

	b.Clear()
	b.consume(t, handle)
	for range count {
		<-handled
	}
	if got, want := b.Fetched()[b.group], (faults.Fetched{Messages: 2 * count, Again: count}); got != want {
		t.Errorf("after the second consumer: %+v, want %+v", got, want)
	}
}
