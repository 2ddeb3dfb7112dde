package outbox_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

var errAway = errors.New("the broker of this queue is away")

// elsewhere is a key whose queue is not key's.
func elsewhere(key string) string {
	for i := 0; ; i++ {
		if other := fmt.Sprint("other-", i); outbox.QueueOf(other, queues) != outbox.QueueOf(key, queues) {
			return other
		}
	}
}

// sibling is another key of key's queue.
func sibling(key string) string {
	for i := 0; ; i++ {
		if other := fmt.Sprint("sibling-", i); outbox.QueueOf(other, queues) == outbox.QueueOf(key, queues) {
			return other
		}
	}
}

// A queue that fails holds up no other queue, however many rows wait for it. In the end its rows
// are sent in order.
func TestAFailingQueueDoesNotStarveTheOthers(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		const waiting = 20_000
		tp := newTape()
		good := elsewhere("bad")
		bulk(t, db.Pool, "bad", waiting)
		add(t, db.Pool, good, "m")

		var away atomic.Bool
		away.Store(true)
		start(t, db.Pool, func(ctx context.Context, topic string, queue, count int,
			m []rocketmq.Message,
		) (int64, error) {
			if away.Load() && queue == outbox.QueueOf("bad", queues) {
				return 0, errAway
			}
			return tp.send(ctx, topic, queue, count, m)
		})

		wait.Until(t, limit, func() error {
			if len(tp.of(good)) == 0 {
				return errors.New("a row of a healthy queue is not sent")
			}
			return nil
		})

		away.Store(false)
		wait.Until(t, limit, emptied(db.Pool))
		sent := tp.of("bad")
		if len(sent) != waiting || !slices.IsSortedFunc(sent, compareNumbers) {
			t.Errorf("%d messages were sent for %d rows, or out of order", len(sent), waiting)
		}
	})
}

// compareNumbers compares message keys that are numbers.
func compareNumbers(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

// A slow round of one queue outlasts the pause of another queue, which failed. The rows on later
// pages of the queue that failed must still not overtake.
func TestASlowRoundDoesNotLetRowsOvertake(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		want := make([]string, outbox.PageRows+10)
		for i := range want {
			want[i] = fmt.Sprint(i)
		}
		slow := elsewhere("k")
		add(t, db.Pool, slow, "m")
		add(t, db.Pool, "k", want...)

		var failed, slept sync.Once
		start(t, db.Pool, func(ctx context.Context, topic string, queue, count int,
			m []rocketmq.Message,
		) (first int64, err error) {
			if queue == outbox.QueueOf(slow, queues) {
				slept.Do(func() { <-time.After(500 * time.Millisecond) }) // a slow broker
			} else {
				failed.Do(func() { err = errAway })
			}
			if err != nil {
				return 0, err
			}
			return tp.send(ctx, topic, queue, count, m)
		})

		wait.Until(t, limit, emptied(db.Pool))
		if got := tp.of("k"); !slices.Equal(got, want) {
			t.Errorf("%d messages were sent, the first is %s; want %d in order", len(got), got[0], len(want))
		}
	})
}

// The relay must not wait, when it deletes what it sent, for rows that other transactions have
// inserted and not committed: those may stay open for long.
func TestAnOpenTransactionDoesNotHoldUpTheRelay(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		release, inserted := make(chan struct{}), make(chan struct{})
		other := make(chan error, 1)
		go func() {
			other <- db.Open(t).Run(context.WithoutCancel(t.Context()), func(tx dbtx.Tx) error {
				if err := addTx(tx, "other", "uncommitted"); err != nil {
					return err
				}
				close(inserted)
				select { // below the time after which the transaction would be ended
				case <-release:
				case <-time.After(8 * time.Second):
					return errors.New("the relay waited for this transaction")
				}
				return nil
			})
		}()
		<-inserted

		tp := newTape()
		start(t, db.Pool, tp.send)
		for _, n := range []int{1, 5, 20, 100, 1000} {
			rows := make([]string, n)
			for i := range rows {
				rows[i] = fmt.Sprintf("%d-%d", n, i)
			}
			add(t, db.Pool, "k", rows...)
			wait.Until(t, limit, emptied(db.Pool))
		}

		close(release)
		if err := <-other; err != nil {
			t.Error(err)
		}
		if got := len(tp.of("k")); got != 1126 {
			t.Errorf("%d messages were sent for 1126 rows", got)
		}
	})
}

// A row is not committed yet when the first page is read, which ends behind its place. The row is
// committed while that page is sent, and its successor after it. The second page must not have the
// successor without the row.
func TestALaterPageDoesNotOvertakeAnEarlierOne(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		inserted, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- db.Open(t).Run(context.WithoutCancel(t.Context()), func(tx dbtx.Tx) error {
				defer func() { <-release }()
				defer close(inserted)
				return addTx(tx, "k", "first")
			})
		}()
		<-inserted

		rows := make([]string, outbox.LookRows+1) // more rows than are looked at one by one
		for i := range rows {
			rows[i] = fmt.Sprint(i)
		}
		add(t, db.Pool, sibling("k"), rows...)

		var once sync.Once
		start(t, db.Pool, func(ctx context.Context, topic string, queue, count int,
			m []rocketmq.Message,
		) (int64, error) {
			once.Do(func() { //nolint:contextcheck // add takes the test's context
				close(release)
				if err := <-done; err != nil {
					t.Error(err)
				}
				add(t, db.Pool, "k", "second")
			})
			return tp.send(ctx, topic, queue, count, m)
		})

		wait.Until(t, limit, emptied(db.Pool))
		if got := tp.of("k"); !slices.Equal(got, []string{"first", "second"}) {
			t.Errorf("sent %v", got)
		}
	})
}
