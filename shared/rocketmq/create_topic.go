package rocketmq

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	requestCreateTopic = 17
	topicPerm          = permRead | permWrite
	topicQueuesMax     = 1024
	// createTimeout bounds CreateTopic. createAgain is the time after which it asks the broker once
	// more.
	createTimeout = 20 * time.Second
	createAgain   = 2 * time.Second
	createPoll    = 50 * time.Millisecond
)

// CreateTopic creates an orderly topic (attribute message.type=FIFO) with the given count of
// queues, or gives an existing topic that count. It waits, 20 s at most, until the name server
// shows the count. It is meant for a cluster of one broker. It refuses any other, where the queues
// would have to be shared out.
func (a *Admin) CreateTopic(ctx context.Context, topic string, queues int) error {
	if topic == "" || queues < 1 || queues > topicQueuesMax {
		return fmt.Errorf("create topic %q with %d queues: a name and 1 to %d queues are needed",
			topic, queues, topicQueuesMax)
	}

	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	brokers, err := a.masters(ctx)
	if err != nil {
		return fmt.Errorf("create topic %q: %w", topic, err)
	}
	if len(brokers) != 1 {
		return fmt.Errorf("create topic %q: name server %s knows %d master brokers, must be 1: wait until the broker has registered, or use mqadmin updateTopic for several",
			topic, strings.Join(a.namesrvs, ";"), len(brokers))
	}

	for {
		if err := a.putTopic(ctx, brokers[0], topic, queues); err != nil {
			return fmt.Errorf("create topic %q: broker %w", topic, err)
		}

		err := a.awaitQueues(ctx, topic, queues)
		if err == nil {
			return nil
		}
		// T63: ask the broker again, because the name server can miss a change when two topics
		// change at once, and would go on showing the old count.
		if ctx.Err() != nil {
			return fmt.Errorf("topic %q was created but cannot be seen: %w", topic, err)
		}
	}
}

func (a *Admin) putTopic(ctx context.Context, addr, topic string, queues int) error {
	count := strconv.Itoa(queues)
	// T62: the library's admin package does not look at the answer. A refused topic would pass for
	// created.
	_, err := a.remoting.ask(ctx, addr, requestCreateTopic, map[string]string{
		"topic": topic, "defaultTopic": "TBW102", "readQueueNums": count, "writeQueueNums": count,
		"perm": strconv.Itoa(topicPerm), "topicFilterType": "SINGLE_TAG", "topicSysFlag": "0",
		"order":      "false",
		"attributes": "+message.type=FIFO",
	}, nil)
	return err
}

// awaitQueues waits, createAgain at most, until the name server shows the queues. The broker tells
// the name server only after it has answered us.
func (a *Admin) awaitQueues(ctx context.Context, topic string, queues int) error {
	patience := time.After(createAgain)
	for {
		route, err := a.Route(ctx, topic)
		if err == nil && len(route.Writable) == queues && len(route.Readable) == queues {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("name server shows %d writable queues, want %d", len(route.Writable), queues)
		}

		select {
		case <-patience:
			return err
		case <-ctx.Done():
			return err
		case <-time.After(createPoll):
		}
	}
}
