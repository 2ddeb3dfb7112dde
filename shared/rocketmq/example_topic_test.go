package rocketmq_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"settlement/shared/rocketmq"
)

// exampleTopic makes a topic of one queue that holds these messages. It panics, which fails the
// example, where the tests' name server or its broker is missing.
func exampleTopic(bodies ...string) (topic string) {
	check := func(err error) {
		if err != nil {
			panic(fmt.Errorf("an example needs a real RocketMQ, at TEST_NAMESRV_ADDR: %w", err))
		}
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	topic = "example-" + uuid.NewString()
	namesrv := os.Getenv("TEST_NAMESRV_ADDR")
	admin, err := rocketmq.NewAdmin(namesrv)
	check(err)
	check(admin.CreateTopic(ctx, topic, 1))
	check(admin.Close())

	var messages []rocketmq.Message
	for _, body := range bodies {
		messages = append(messages, rocketmq.Message{Topic: topic, Key: body, Body: []byte(body)})
	}
	producer, err := rocketmq.NewProducer(rocketmq.ProducerConfig{Namesrv: namesrv, Group: topic})
	check(err)
	_, err = producer.SendBatch(ctx, topic, 0, 1, messages)
	for ctx.Err() == nil && err != nil && strings.Contains(err.Error(), "TIMEOUT_CLEAN_QUEUE") {
		// T49: refused by a loaded broker, and not stored
		_, err = producer.SendBatch(ctx, topic, 0, 1, messages)
	}
	check(err)
	check(producer.Close())
	return topic
}
