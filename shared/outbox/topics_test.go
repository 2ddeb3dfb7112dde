package outbox_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/stack/testdb"
	"settlement/e2e/wait"
	"settlement/migrations"
	"settlement/shared/dbtx"
	"settlement/shared/outbox"
	"settlement/shared/rocketmq"
)

var twoTopics = outbox.Topics{"bad": 3, "good": 2}

func addTo(t *testing.T, pool *dbtx.Pool, topic string, keys ...string) {
	t.Helper()
	var all []outbox.Message
	for _, key := range keys {
		all = append(all, outbox.Message{
			Topic: topic, ShardingKey: key, Key: key, Tag: "x", Body: []byte("body"),
		})
	}
	err := pool.Run(t.Context(), func(tx dbtx.Tx) error {
		return outbox.Add(tx,
			twoTopics, time.Now().UTC(), all...)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A topic whose sends do not come back, on all of its queues, holds up no other topic.
func TestATopicThatHangsHoldsUpNoOther(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp, hangs := newTape(), make(chan struct{})
		addTo(t, db.Pool, "bad", numbers(0, 50)...)
		r := outbox.NewRelay(db.Pool, func(ctx context.Context, topic string, queue, count int,
			m []rocketmq.Message,
		) (int64, error) {
			if topic == "bad" {
				<-hangs
				return 0, errAway
			}
			return tp.send(ctx, topic, queue, count, m)
		}, twoTopics, slog.New(slog.DiscardHandler))

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			close(hangs)
			<-done
		})

		for _, key := range numbers(0, 30) {
			addTo(t, db.Pool, "good", key)
			r.Wake()
			wait.Until(t, limit, func() error {
				if len(tp.of(key)) == 0 {
					return errors.New("a row of the other topic is not sent")
				}
				return nil
			})
		}
	})
}

// The relay ends in time although a send hangs until its context ends, and leaves the lease to the
// next relay.
func TestTheRelayEndsInTime(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp, under := newTape(), make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		r := outbox.NewRelay(db.Pool, func(sending context.Context, topic string, queue, count int,
			m []rocketmq.Message,
		) (int64, error) {
			if m[0].Key != "hangs" {
				close(under)
				<-ctx.Done()
				return tp.send(sending, topic, queue, count, m)
			}
			<-sending.Done()
			return 0, sending.Err()
		}, topics, slog.New(slog.DiscardHandler))
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		add(t, db.Pool, "k", "under way")
		<-under
		add(t, db.Pool, "k", "hangs")

		cancel()
		began := time.Now()
		<-done
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("the relay took %s to end", took)
		}

		next, _ := stepper(t, db.Open(t), tp.send)
		if err := next.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := emptied(db.Pool)(); err != nil {
			t.Errorf("the next relay did not have the lease at once: %v", err)
		}
		if got := tp.of("k"); !slices.Equal(got, []string{"under way", "hangs"}) {
			t.Errorf("sent %v", got)
		}
	})
}

// Metrics are of each topic, count a queue's rows up to a limit, and see rows that have no queue
// yet or no known topic.
func TestMetricsOfABacklogAreBounded(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		pool := db.Pool.Read(t.Context())
		addTo(t, db.Pool, "bad", make([]string, 4000)...) // one key: one queue
		for range 3 {
			err := pool.Exec("INSERT INTO outbox (topic, queues, queue_id, sharding_key, message_key, tag," +
				" traceparent, body, created_at)" +
				" SELECT topic, queues, queue_id, sharding_key, message_key, tag, traceparent, body," +
				" created_at FROM outbox").Error
			if err != nil {
				t.Fatal(err)
			}
		}

		if err := pool.Exec("UPDATE outbox SET created_at = NOW(6) - INTERVAL 1 HOUR ORDER BY id LIMIT 1").
			Error; err != nil {
			t.Fatal(err)
		}
		addAsBefore(t, db.Pool, "k", "m") // its topic is neither of the two
		err := pool.Exec("INSERT INTO outbox (topic, sharding_key, message_key, tag, traceparent, body," +
			" created_at)" +
			" VALUES ('good', 'k', 'm', 'x', '', 'body', NOW(6))").Error
		if err != nil {
			t.Fatal(err)
		}

		registry := prometheus.NewRegistry()
		registry.MustRegister(outbox.Gauges(db.Pool, twoTopics))
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				got[family.GetName()+" "+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}

		for name, want := range map[string]float64{
			"outbox_depth bad": outbox.DepthMax, "outbox_depth good": 1, "outbox_depth other": 1,
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
		if age := got["outbox_age_seconds bad"]; age < 3600 || age > 3700 {
			t.Errorf("the oldest row is said to be %v s old, it is an hour old", age)
		}
		if age := got["outbox_age_seconds good"]; age > 100 {
			t.Errorf("the other topic's oldest row is said to be %v s old", age)
		}
	})
}
