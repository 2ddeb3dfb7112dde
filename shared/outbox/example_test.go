package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
	"settlement/shared/outbox"
	"settlement/shared/rocketmq"
)

// Messages are added in the transaction that they report. They are sent when it has committed, and
// never when it was rolled back. A batch that the broker does not confirm is sent again.
func Example() {
	pool, drop := testdb.Example(migrations.Order)
	defer drop()
	topics := outbox.Topics{"settlement": 8}

	// A service gives rocketmq.Producer.SendBatch. This one confirms a batch the second time.
	sent, confirm := make(chan string), false
	send := func(_ context.Context, _ string, queue, queues int, batch []rocketmq.Message) (int64, error) {
		for _, m := range batch {
			sent <- fmt.Sprintf("%s %s, queue %d of %d, confirmed: %t", m.Tag, m.Key, queue, queues, confirm)
		}
		if !confirm {
			confirm = true
			return 0, rocketmq.ErrOutcomeUnknown
		}
		return 0, nil
	}

	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	relay := outbox.NewRelay(pool, send, topics, slog.New(slog.DiscardHandler))
	go func() {
		relay.Run(ctx)
		close(sent)
	}()

	// The sharding key chooses the queue. A real transaction locks the order's row before it adds.
	add := func(tx dbtx.Tx, tag, paymentNo string) error {
		return outbox.Add(tx, topics, time.Now().UTC(), outbox.Message{
			Topic: "settlement", ShardingKey: "order 1", Key: paymentNo, Tag: tag, Body: []byte("1999"),
		})
	}
	err := pool.Run(ctx, func(tx dbtx.Tx) error {
		return errors.Join(add(tx, "settle", "p0"), errors.New("the order is cancelled"))
	})
	fmt.Println("rolled back:", err)

	err = pool.Run(ctx, func(tx dbtx.Tx) error {
		return errors.Join(add(tx, "settle", "p1"), add(tx, "refund", "p2"))
	})
	fmt.Println("committed:", err)
	relay.Wake() // after the commit; without it the relay looks 200 ms later at most
	for range 4 {
		fmt.Println(<-sent)
	}

	stop()
	<-sent // closed: Run has returned, and what was confirmed is deleted

	// Output:
	// rolled back: the order is cancelled
	// committed: <nil>
	// settle p1, queue 4 of 8, confirmed: false
	// refund p2, queue 4 of 8, confirmed: false
	// settle p1, queue 4 of 8, confirmed: true
	// refund p2, queue 4 of 8, confirmed: true
}

// Add refuses a topic whose queue count is not configured: it could not say which queue keeps the
// order of its messages.
func ExampleAdd() {
	pool, drop := testdb.Example(migrations.Order)
	defer drop()

	err := pool.Run(context.Background(), func(tx dbtx.Tx) error {
		topics := outbox.Topics{"settlement": 8}
		return outbox.Add(tx, topics, time.Now().UTC(), outbox.Message{Topic: "points", Key: "n1"})
	})
	fmt.Println(strings.ReplaceAll(err.Error(), ": ", ":\n"))

	// Output:
	// add message n1 to the outbox:
	// topic "points" has no queue count:
	// this service sends to map[settlement:8] only
}
