package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"settlement/e2e/stack/testdb"
	"settlement/e2e/wait"
	"settlement/migrations"
	"settlement/shared/dbtx"
	"settlement/shared/outbox"
	"settlement/shared/rocketmq"
)

const (
	topic  = "t"
	queues = 4
	// limit is how long a test waits; the lease of a killed relay takes 10 s of it.
	limit = 30 * time.Second
)

var topics = outbox.Topics{topic: queues}

// tape records what was sent, by sharding key, in the order of confirmation.
type tape struct {
	mu   sync.Mutex
	sent map[string][]string
}

func newTape() *tape { return &tape{sent: map[string][]string{}} }

func (tp *tape) send(
	_ context.Context, _ string, queue, count int, messages []rocketmq.Message,
) (int64, error) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	for _, m := range messages {
		if want := outbox.QueueOf(m.ShardingKey, count); queue != want {
			return 0, fmt.Errorf("key %s came to queue %d, its queue is %d", m.ShardingKey, queue, want)
		}
		tp.sent[m.ShardingKey] = append(tp.sent[m.ShardingKey], m.Key)
	}
	return 0, nil
}

func (tp *tape) of(key string) []string {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	return slices.Clone(tp.sent[key])
}

func add(t *testing.T, pool *dbtx.Pool, key string, messages ...string) {
	t.Helper()
	err := pool.Run(t.Context(), func(tx dbtx.Tx) error { return addTx(tx, key, messages...) })
	if err != nil {
		t.Fatal(err)
	}
}

func addTx(tx dbtx.Tx, key string, messages ...string) error {
	for _, m := range messages {
		err := outbox.Add(tx, topics, time.Now().UTC(),
			outbox.Message{Topic: topic, ShardingKey: key, Key: m, Tag: "x", Body: []byte(m)})
		if err != nil {
			return err
		}
	}
	return nil
}

// start runs a relay until the test ends or stop is called.
func start(t *testing.T, pool *dbtx.Pool, send outbox.Send) (r *outbox.Relay, stop func()) {
	t.Helper()
	r = outbox.NewRelay(pool, send, topics, slog.New(slog.DiscardHandler))
	return r, run(t, r)
}

func run(t *testing.T, r *outbox.Relay) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func emptied(pool *dbtx.Pool) func() error {
	return func() error {
		var n int64
		if err := pool.Read(context.Background()).Table("outbox").Count(&n).Error; err != nil {
			return err
		}
		if n != 0 {
			return fmt.Errorf("%d rows are left in the outbox", n)
		}
		return nil
	}
}

func TestOrderPerKeyWhileSendsFail(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		var calls atomic.Int64
		r, _ := start(t, db.Pool, func(ctx context.Context, topic string, queue, count int,
			m []rocketmq.Message,
		) (int64, error) {
			if calls.Add(1)%3 == 1 {
				return 0, errors.New("refused on purpose")
			}
			return tp.send(ctx, topic, queue, count, m)
		})

		want := map[string][]string{}
		for i := range 60 {
			key := fmt.Sprintf("key-%d", i%7)
			m := fmt.Sprintf("m%03d", i)
			want[key] = append(want[key], m)
			add(t, db.Pool, key, m)
			r.Wake()
		}

		wait.Until(t, limit, emptied(db.Pool))
		for key, messages := range want {
			if got := tp.of(key); !slices.Equal(got, messages) {
				t.Errorf("%s was sent as %v, want %v", key, got, messages)
			}
		}
	})
}

func TestACrashAfterSendRepeatsAndLosesNothing(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		doomed := db.Open(t)
		crashed := make(chan struct{})
		var once sync.Once
		_, stop := start(t, doomed, func(ctx context.Context, topic string, queue, count int,
			m []rocketmq.Message,
		) (int64, error) {
			first, err := tp.send(ctx, topic, queue, count, m)
			once.Do(func() { // the broker has it; the relay dies before it can delete the row
				doomed.Close()
				close(crashed)
			})
			return first, err
		})

		add(t, db.Pool, "k", "m1")
		<-crashed
		stop()

		add(t, db.Pool, "k", "m2")
		start(t, db.Pool, tp.send)
		wait.Until(t, limit, emptied(db.Pool))
		if got, want := tp.of("k"), []string{"m1", "m1", "m2"}; !slices.Equal(got, want) {
			t.Errorf("sent %v, want %v", got, want)
		}
	})
}

func TestASmallerIDCommittedLaterIsSent(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		start(t, db.Pool, tp.send)

		sendLate := make(chan struct{})
		inserted := make(chan struct{})
		late := make(chan error, 1)
		go func() {
			late <- db.Open(t).Run(t.Context(), func(tx dbtx.Tx) error {
				if err := addTx(tx, "late", "small id"); err != nil {
					return err
				}
				close(inserted)
				<-sendLate
				return nil
			})
		}()
		<-inserted

		add(t, db.Pool, "early", "large id")
		wait.Until(t, limit, func() error {
			if got := tp.of("early"); len(got) != 1 {
				return fmt.Errorf("sent %v", got)
			}
			return emptied(db.Pool)()
		})

		close(sendLate)
		if err := <-late; err != nil {
			t.Fatal(err)
		}
		wait.Until(t, limit, func() error {
			if got := tp.of("late"); len(got) != 1 {
				return fmt.Errorf("the row with the smaller id was sent %d times", len(got))
			}
			return emptied(db.Pool)()
		})
	})
}

// Rows behind a batch that failed must not overtake it, also when they were read with it.
func TestAFailedBatchHoldsBackTheRowsBehindIt(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		var want []string
		for i := range 2*rocketmq.BatchMax + 1 {
			want = append(want, fmt.Sprintf("m%03d", i))
		}
		add(t, db.Pool, "k", want...)

		var calls atomic.Int64
		start(t, db.Pool, func(ctx context.Context, topic string, queue, count int,
			m []rocketmq.Message,
		) (int64, error) {
			if calls.Add(1) == 1 {
				return 0, errors.New("refused on purpose")
			}
			return tp.send(ctx, topic, queue, count, m)
		})

		wait.Until(t, limit, emptied(db.Pool))
		if got := tp.of("k"); !slices.Equal(got, want) {
			t.Errorf("sent %d messages, beginning with %v; want %d in order", len(got),
				got[:min(3, len(got))], len(want))
		}
	})
}

func TestTwoRelaysSendOneAtATime(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		sending, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		_, stopFirst := start(t, db.Pool,
			func(ctx context.Context, topic string, queue, count int, m []rocketmq.Message) (int64, error) {
				once.Do(func() {
					close(sending)
					<-goOn
				})
				return tp.send(ctx, topic, queue, count, m)
			})
		add(t, db.Pool, "k", "m0")
		<-sending // the first relay has read the row and is in the middle of sending it

		second := make(chan struct{}, 1)
		r, _ := start(t, db.Open(t), func(ctx context.Context, topic string, queue, count int,
			m []rocketmq.Message,
		) (int64, error) {
			select {
			case second <- struct{}{}:
			default:
			}
			return tp.send(ctx, topic, queue, count, m)
		})
		r.Wake()
		select {
		case <-second:
			t.Error("the second relay sends while the first one does")
		case <-time.After(2 * time.Second): // ten polls, well below the lease's end
		}
		close(goOn)

		want := []string{"m0"}
		for i := range 20 {
			m := fmt.Sprintf("m%d", i+1)
			want = append(want, m)
			add(t, db.Pool, "k", m)
			if i == 10 {
				stopFirst() // the other takes over
			}
		}
		wait.Until(t, limit, emptied(db.Pool))
		<-second
		if got := tp.of("k"); !slices.Equal(got, want) {
			t.Errorf("sent %v, want each once and in order", got)
		}
	})
}

func TestACommitWakesTheRelay(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		r := outbox.NewRelay(db.Pool, tp.send, topics, slog.New(slog.DiscardHandler))
		r.SetPoll(time.Hour) // what is sent now was not found by polling
		run(t, r)
		for i := range 20 {
			add(t, db.Pool, "k", fmt.Sprint(i))
			r.Wake()
			wait.Until(t, limit, emptied(db.Pool))
		}
	})
}
