package traffic_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/traffic"
	"settlement/e2e/wait"
	"settlement/shared/rocketmq"
)

func namesrv(t *testing.T) string {
	t.Helper()
	addr := os.Getenv("TEST_NAMESRV_ADDR")
	if addr == "" {
		t.Fatal("TEST_NAMESRV_ADDR is not set: this test needs a real RocketMQ, run it with `make test`")
	}
	return addr
}

func newTopic(t *testing.T, queues int) string {
	t.Helper()
	admin, err := rocketmq.NewAdmin(namesrv(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	topic := "test-" + uuid.NewString()
	if err := admin.CreateTopic(t.Context(), topic, queues); err != nil {
		t.Fatal(err)
	}
	return topic
}

func TestMessagesAreAllThatATopicHolds(t *testing.T) {
	const queues, each = 3, 300 // more than one pull gives
	topic := newTopic(t, queues)
	producer, err := rocketmq.NewProducer(rocketmq.ProducerConfig{
		Namesrv: namesrv(t), Group: "traffic-test", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = producer.Close() }()

	began := time.Now().Add(-time.Minute)
	for queue := range queues - 1 { // the last one stays empty
		for i := 0; i < each; i += rocketmq.BatchMax {
			var batch []rocketmq.Message
			for n := i; n < min(each, i+rocketmq.BatchMax); n++ {
				batch = append(batch, rocketmq.Message{
					Topic: topic, Queue: queue, Key: fmt.Sprint("key", n), ShardingKey: "order",
					Tag: "settle", Body: fmt.Append(nil, "body", n),
				})
			}
			if _, err := producer.SendBatch(t.Context(), topic, queue, queues, batch); err != nil {
				t.Fatal(err)
			}
		}
	}

	var found []traffic.Message
	wait.Until(t, 10*time.Second, func() error { // the broker shows a message a little after it has taken it
		var err error
		found, err = traffic.Messages(t.Context(), namesrv(t), topic)
		if err == nil && len(found) != (queues-1)*each {
			err = fmt.Errorf("%d messages, want %d", len(found), (queues-1)*each)
		}
		return err
	})

	ids := map[string]bool{}
	for i, m := range found {
		n := i % each
		if m.Topic != topic || m.Queue != i/each || m.Offset != int64(n) ||
			m.Key != fmt.Sprint("key", n) || m.ShardingKey != "order" ||
			m.Tag != "settle" || string(m.Body) != fmt.Sprint("body", n) || m.StoredAt.Before(began) ||
			m.StoredAt.After(time.Now().Add(time.Minute)) {
			t.Fatalf("message %d is %+v", i, m)
		}
		ids[m.ID] = true
	}

	if len(ids) != len(found) {
		t.Errorf("%d messages have %d ids", len(found), len(ids))
	}
}

func TestMessagesOfNothing(t *testing.T) {
	if found, err := traffic.Messages(t.Context(), namesrv(t), newTopic(t, 2)); err != nil || len(found) > 0 {
		t.Errorf("an empty topic: %v, %v", found, err)
	}
	if found, err := traffic.Messages(t.Context(), namesrv(t), "test-no-such-topic"); err == nil {
		t.Errorf("a topic that does not exist: %v and no error", found)
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := traffic.Messages(ended, namesrv(t), newTopic(t, 1)); err == nil {
		t.Errorf("a context that has ended: %v and no error", found)
	}
}
