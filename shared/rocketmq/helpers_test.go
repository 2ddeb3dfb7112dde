package rocketmq

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// T41: the library's log belongs to the process, not to the test that happens to come first.
func TestMain(m *testing.M) {
	adoptLog(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	os.Exit(m.Run())
}

// testNamesrv is the real name server that the tests run on.
func testNamesrv(t *testing.T) string {
	t.Helper()
	addr := os.Getenv("TEST_NAMESRV_ADDR")
	if addr == "" {
		t.Fatal("TEST_NAMESRV_ADDR is not set: this test needs a real RocketMQ, run it with `make test`")
	}
	return addr
}

func testAdmin(t *testing.T) *Admin {
	t.Helper()
	admin, err := NewAdmin(testNamesrv(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	return admin
}

// testTopic creates a topic of its own for a test.
func testTopic(t *testing.T, queues int) string {
	t.Helper()
	topic := "test-" + uuid.NewString()
	if err := testAdmin(t).CreateTopic(t.Context(), topic, queues); err != nil {
		t.Fatal(err)
	}
	return topic
}

func testGroup() string { return "test-" + uuid.NewString() }

func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func testProducer(t *testing.T) *Producer {
	t.Helper()
	p, err := NewProducer(ProducerConfig{Namesrv: testNamesrv(t), Group: testGroup(), Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close producer: %v", err)
		}
	})
	return p
}

// publish sends count messages with bodies first, first+1, … to a queue, each stored exactly
// once.
func publish(t *testing.T, p *Producer, topic string, queue, queues, first, count int) {
	t.Helper()
	var batch []Message
	for i := range count {
		batch = append(batch, Message{Topic: topic, Queue: queue, Key: "k", Body: fmt.Append(nil, first+i)})
		if len(batch) == BatchMax || i == count-1 {
			send(t, p, topic, queue, queues, batch)
			batch = nil
		}
	}
}

// send sends one batch and returns the offset of its first message. It sends again while the broker
// is too busy. T49: a loaded broker turns a request away that has waited too long, before it has
// stored any of it.
func send(t *testing.T, p *Producer, topic string, queue, queues int, batch []Message) (first int64) {
	t.Helper()
	eventually(t, 30*time.Second, func() (err error) {
		first, err = p.SendBatch(t.Context(), topic, queue, queues, batch)
		if err != nil && !strings.Contains(err.Error(), "TIMEOUT_CLEAN_QUEUE") {
			t.Fatal(err)
		}
		return err
	})
	return first
}

// startConsumer starts a consumer that is stopped at the end of the test.
func startConsumer(t *testing.T, topic, group string, batchMax int, handle Handler) *Consumer {
	t.Helper()
	c := newConsumer(t, topic, group, batchMax, handle)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func newConsumer(t *testing.T, topic, group string, batchMax int, handle Handler) *Consumer {
	t.Helper()
	c, err := NewOrderlyConsumer(ConsumerConfig{
		Namesrv: testNamesrv(t), Group: group, Topic: topic, Instance: t.Name(), BatchMax: batchMax,
		Logger: testLogger(t),
	}, handle)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Errorf("stop consumer: %v", err)
		}
	})
	return c
}

// record collects what a handler was given.
type record struct {
	mu      sync.Mutex
	batches [][]Delivery
	times   []time.Time
}

func (r *record) add(batch []Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, batch)
	r.times = append(r.times, time.Now())
}

func (r *record) handle(_ context.Context, batch []Delivery) error {
	r.add(batch)
	return nil
}

// bodies are the bodies received from a queue, in the order in which they came.
func (r *record) bodies(queue int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var bodies []string
	for _, batch := range r.batches {
		for _, d := range batch {
			if d.Queue == queue {
				bodies = append(bodies, string(d.Body))
			}
		}
	}
	return bodies
}

func (r *record) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, batch := range r.batches {
		n += len(batch)
	}
	return n
}

func (r *record) largest() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, batch := range r.batches {
		n = max(n, len(batch))
	}
	return n
}

// atLeast is a check for eventually. It fails until the handler was given n messages.
func (r *record) atLeast(n int) func() error {
	return func() error {
		if got := r.count(); got < n {
			return fmt.Errorf("%d messages received, want %d", got, n)
		}
		return nil
	}
}

// numbers is "first", "first+1", …, count of them.
func numbers(first, count int) []string {
	var list []string
	for i := range count {
		list = append(list, fmt.Sprint(first+i))
	}
	return list
}

func wantBodies(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("received %d messages %v\nwant %d %v", len(got), got, len(want), want)
	}
}

// eventually calls check until it returns nil, and fails with its last error after within.
func eventually(t *testing.T, within time.Duration, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()

	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %v", within, err)
		case <-ticker.C:
		}
	}
}
