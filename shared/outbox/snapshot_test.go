package outbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
	"settlement/shared/outbox"
	"settlement/shared/rocketmq"
)

// bulk adds n rows of a key; their message keys count from 0.
func bulk(t *testing.T, pool *dbtx.Pool, key string, n int) {
	t.Helper()
	const page = 2000
	for first := 0; first < n; first += page {
		messages := make([]outbox.Message, min(n-first, page))
		for i := range messages {
			messages[i] = outbox.Message{
				Topic: topic, ShardingKey: key, Key: fmt.Sprint(first + i), Tag: "x", Body: []byte("body"),
			}
		}
		err := pool.Run(t.Context(), func(tx dbtx.Tx) error {
			return outbox.Add(tx, topics, time.Now().UTC(), messages...)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// snapshot keeps the database as it is now for a session that goes on until the test's end, as a
// backup does.
func snapshot(t *testing.T, pool *dbtx.Pool) {
	t.Helper()
	db, err := pool.SQL()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for _, statement := range []string{
		"SET SESSION wait_timeout = 600",
		"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"START TRANSACTION WITH CONSISTENT SNAPSHOT",
		"SELECT COUNT(*) FROM outbox_lease",
	} {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = conn.Close() })
}

// stepper is a relay that moves when the test says so, and sends with send.
func stepper(t *testing.T, pool *dbtx.Pool, send outbox.Send) (r *outbox.Relay, step func()) {
	t.Helper()
	r = outbox.NewRelay(pool, send, topics, slog.New(slog.DiscardHandler))
	r.SetSettles(0)
	return r, func() {
		t.Helper()
		if err := r.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// fastest is how long do takes on a machine that has nothing else to do.
func fastest(t *testing.T, do func(context.Context) error) time.Duration {
	t.Helper()
	took := make([]time.Duration, 21)
	for i := range took {
		began := time.Now()
		if err := do(t.Context()); err != nil {
			t.Fatal(err)
		}
		took[i] = time.Since(began)
	}
	return slices.Min(took)
}

// Behind an old snapshot the server keeps all deleted rows; looking for new ones must not walk over
// them.
func TestAnOldSnapshotDoesNotSlowTheRelay(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		const dead = 150_000
		var sent atomic.Int64
		r, step := stepper(t, db.Pool,
			func(_ context.Context, _ string, _, _ int, m []rocketmq.Message) (int64, error) {
				sent.Add(int64(len(m)))
				return 0, nil
			})

		clean := fastest(t, r.Look)
		snapshot(t, db.Open(t))
		bulk(t, db.Pool, "k", dead/2)
		bulk(t, db.Pool, elsewhere("k"), dead/2)
		for sent.Load() < dead {
			step()
		}
		step()
		step()

		behind := fastest(t, r.Look)
		fresh, _ := stepper(t, db.Open(t), nil)
		walking := fastest(t, fresh.Look)
		t.Logf("one look at an empty outbox: %s, behind %d deleted rows %s, by a relay that begins at 0 %s",
			clean, dead, behind, walking)

		if behind > clean+(walking-clean)/10 {
			t.Errorf("a look behind %d deleted rows takes %s, without them %s, and to walk over them %s",
				dead, behind, clean, walking)
		}
		if walking < 5*clean {
			t.Errorf("a relay that begins at 0 takes %s and one without deleted rows %s: the snapshot keeps none",
				walking, clean)
		}
	})
}
