package rocketmq

import (
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// Message is one message to publish.
type Message struct {
	Topic string
	Queue int    // the queue it goes to, from 0; must be the queue that SendBatch is given
	Key   string // KEYS: what the message can be looked up by in a console
	// Messages of one key have to stay in order; kept as a property: the queue is not derived from
	// it here.
	ShardingKey string
	Tag         string
	Body        []byte
	// Names that the broker keeps for itself are refused; an empty value is not sent.
	Properties map[string]string
}

// Delivery is one message as it was received. Later deliveries of the same message share its body,
// so a handler must not change it.
type Delivery struct {
	Topic       string
	Broker      string // its name
	Queue       int    // its number on its broker
	Offset      int64  // position in the queue, from 0
	MessageID   string // the broker's id: for logs only, a repeat of the same message may carry another
	Key         string
	ShardingKey string
	Tag         string
	Body        []byte
	// The body is compressed and inflates to more than 1 MiB: Body is only its beginning.
	TooLarge   bool
	Properties map[string]string // the sender's own, without those that the broker and the library add
	StoredAt   time.Time         // when the broker stored it
}

func newDelivery(m *primitive.MessageExt, broker string, queue int) Delivery {
	properties := m.GetProperties()
	for name := range properties {
		if reserved[name] {
			delete(properties, name)
		}
	}

	return Delivery{
		Topic: m.Topic, Broker: broker, Queue: queue, Offset: m.QueueOffset, MessageID: m.MsgId,
		Key: m.GetKeys(), ShardingKey: m.GetShardingKey(), Tag: m.GetTags(),
		Body: m.Body, TooLarge: m.SysFlag&flagTooLarge != 0, Properties: properties,
		StoredAt: time.UnixMilli(m.StoreTimestamp),
	}
}
