package rocketmq_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"settlement/shared/rocketmq"
)

// A handler acknowledges by returning nil. After an error its queue pauses and gives the same
// message again before any later one, so a repeat must change nothing.
func ExampleConsumer() {
	topic := exampleTopic("settle", "refund")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	fails := true
	done := make(chan string, 1)
	handle := func(_ context.Context, batch []rocketmq.Delivery) error { // of one queue, by offset
		for _, d := range batch {
			if fails {
				fails = false
				fmt.Println(string(d.Body), "fails")
				return errors.New("the database is away")
			}
			fmt.Println(string(d.Body), "is done") // in a service: in a transaction that has committed
			if string(d.Body) == "refund" {
				done <- "all done"
			}
		}
		return nil
	}

	consumer, err := rocketmq.NewOrderlyConsumer(rocketmq.ConsumerConfig{
		Namesrv: os.Getenv("TEST_NAMESRV_ADDR"), Group: topic, Topic: topic, BatchMax: 1,
	}, handle)
	if err != nil { // a wrong setting
		fmt.Println(err)
		return
	}
	if err := consumer.Start(); err != nil { // no such topic, or no server: Start may be tried again
		fmt.Println(err, "- missing topic:", errors.Is(err, rocketmq.ErrTopicMissing))
		return
	}

	select {
	case all := <-done:
		fmt.Println(all)
	case <-ctx.Done():
	}

	// After an error of Stop some of what was acknowledged may come again.
	fmt.Println("stopped:", consumer.Stop(ctx))

	// Output:
	// settle fails
	// settle is done
	// refund is done
	// all done
	// stopped: <nil>
}

// A reader keeps its own offset. Stored in the transaction that uses the messages, it makes each of
// them take effect exactly once.
func ExampleQueueReader() {
	topic := exampleTopic("settle", "refund")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	reader, err := rocketmq.OpenQueueReader(ctx, rocketmq.QueueReaderConfig{
		Namesrv: os.Getenv("TEST_NAMESRV_ADDR"), Group: topic, Topic: topic, Queue: 0,
	})
	if err != nil { // no such topic or queue, or no server
		fmt.Println(err, "- missing topic:", errors.Is(err, rocketmq.ErrTopicMissing))
		return
	}
	defer func() { fmt.Println("closed:", reader.Close()) }()

	offset := int64(1000) // as a program remembers it whose broker has lost its store since
	for read := 0; read < 2; {
		messages, next, err := reader.Read(ctx, offset) // waits up to 20 s for a message
		if errors.Is(err, rocketmq.ErrOffsetOutside) {
			oldest, _, err := reader.Ends(ctx)
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Printf("nothing is at %d, going on at %d\n", offset, oldest)
			offset = oldest
			continue
		}
		if err != nil { // the broker is away, or ctx has ended: the same offset may be read again
			fmt.Println(err)
			return
		}

		for _, m := range messages { // one transaction: what they do, and next as the offset
			fmt.Printf("%s is at %d\n", m.Body, m.Offset)
		}
		read, offset = read+len(messages), next
	}
	fmt.Println("next is", offset)

	// Output:
	// nothing is at 1000, going on at 0
	// settle is at 0
	// refund is at 1
	// next is 2
	// closed: <nil>
}
