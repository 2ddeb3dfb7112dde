package outbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"settlement/e2e/stack/testdb"
	"settlement/e2e/wait"
	"settlement/migrations"
	"settlement/shared/dbtx"
	"settlement/shared/outbox"
)

// addAsBefore adds rows like an instance of an earlier release, which does not know of queues.
func addAsBefore(t *testing.T, pool *dbtx.Pool, key string, messages ...string) {
	t.Helper()
	for page := range slices.Chunk(messages, 1000) {
		var args []any
		for _, m := range page {
			args = append(args, topic, key, m, m, time.Now().UTC())
		}
		values := strings.Repeat(",(?, ?, ?, 'x', '', ?, ?)", len(page))[1:]
		err := pool.Read(t.Context()).Exec(
			"INSERT INTO outbox (topic, sharding_key, message_key, tag, traceparent, body, created_at)"+
				" VALUES "+values, args...).Error
		if err != nil {
			t.Fatal(err)
		}
	}
}

// numbers are the message keys first to last-1.
func numbers(first, last int) []string {
	var all []string
	for i := first; i < last; i++ {
		all = append(all, fmt.Sprintf("%05d", i))
	}
	return all
}

// Rows from before an upgrade have no queue. They are sent, each key's in order, before the rows
// behind them.
func TestRowsWithoutAQueueAreSentInOrder(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		const old, all = 2*outbox.PlaceRows + 100, 2*outbox.PlaceRows + 200
		keys := []string{"a", "b", "c", "d", "e"}
		for _, key := range keys {
			addAsBefore(t, db.Pool, key, numbers(0, old)...)
			add(t, db.Pool, key, numbers(old, all)...)
		}

		start(t, db.Pool, tp.send)
		wait.Until(t, limit, emptied(db.Pool))
		for _, key := range keys {
			if got := tp.of(key); !slices.Equal(got, numbers(0, all)) {
				t.Errorf("key %s: %d messages were sent for %d rows, or out of order", key, len(got), all)
			}
		}
	})
}

// While an upgrade rolls, instances of both releases write rows of the same keys.
func TestAnOlderInstanceWritesBesideANewOne(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		r, _ := start(t, db.Pool, tp.send)
		const all = 400
		for i, m := range numbers(0, all) {
			for _, key := range []string{"a", "b", sibling("a")} {
				if (i/3+len(key))%2 == 0 {
					addAsBefore(t, db.Pool, key, m)
				} else {
					add(t, db.Pool, key, m)
				}
				r.Wake()
			}
		}

		wait.Until(t, limit, emptied(db.Pool))
		for _, key := range []string{"a", "b", sibling("a")} {
			if got := tp.of(key); !slices.Equal(got, numbers(0, all)) {
				t.Errorf("key %s: %d messages were sent for %d rows, or out of order", key, len(got), all)
			}
		}
	})
}

// The operator changes the count of queues: rows that were added with another one get their queue
// anew.
func TestAnotherQueueCountKeepsTheOrder(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		const each = 700
		keys := []string{"a", "b", "c", "d", "e"}
		for i, queues := range []int{7, queues, 16} {
			for _, key := range keys {
				addWith(t, db.Pool, outbox.Topics{topic: queues}, key, numbers(i*each, (i+1)*each)...)
			}
		}

		start(t, db.Pool, tp.send)
		wait.Until(t, limit, emptied(db.Pool))
		for _, key := range keys {
			if got := tp.of(key); !slices.Equal(got, numbers(0, 3*each)) {
				t.Errorf("key %s: %d messages were sent for %d rows, or out of order", key, len(got), 3*each)
			}
		}
	})
}

func addWith(t *testing.T, pool *dbtx.Pool, topics outbox.Topics, key string, messages ...string) {
	t.Helper()
	var all []outbox.Message
	for _, m := range messages {
		all = append(all, outbox.Message{Topic: topic, ShardingKey: key, Key: m, Tag: "x", Body: []byte(m)})
	}
	err := pool.Run(t.Context(), func(tx dbtx.Tx) error {
		return outbox.Add(tx,
			topics, time.Now().UTC(), all...)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A message for a topic without a configured queue count would wait for ever.
func TestATopicWithoutAQueueCountIsRefused(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		err := db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
			return outbox.Add(tx, topics, time.Now().UTC(),
				outbox.Message{Topic: "unknown", ShardingKey: "k", Key: "m"})
		})
		if err == nil || !strings.Contains(err.Error(), `"unknown"`) {
			t.Errorf("the error is %v", err)
		}
	})
}

// The relay logs rows of a topic that it does not know, and they hold up no other rows.
func TestRowsOfAnUnknownTopicAreToldOf(t *testing.T) {
	for _, rows := range []int{1, outbox.LookRows} {
		testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
			err := db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
				all := make([]outbox.Message, rows)
				for i := range all {
					all[i] = outbox.Message{Topic: "gone", ShardingKey: "k", Key: "m", Body: []byte("body")}
				}
				return outbox.Add(tx, outbox.Topics{"gone": 1}, time.Now().UTC(), all...)
			})
			if err != nil {
				t.Fatal(err)
			}
			add(t, db.Pool, "k", "m")

			tp := newTape()
			var log strings.Builder
			r := outbox.NewRelay(db.Pool, tp.send, topics, slog.New(slog.NewTextHandler(&log, nil)))
			for range 2 {
				if err := r.Step(context.WithoutCancel(t.Context())); err != nil {
					t.Fatal(err)
				}
			}

			if got := tp.of("k"); len(got) != 1 {
				t.Errorf("the row of another topic was sent %d times", len(got))
			}
			if !strings.Contains(log.String(), "topic=gone") {
				t.Errorf("the log says %q", log.String())
			}
		})
	}
}
