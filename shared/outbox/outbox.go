// Package outbox carries messages from a transaction to the broker: Add writes them in
// the caller's transaction, the Relay sends them afterwards, each queue by itself.
//
// It gives: at least once; per sharding key in the order of the transactions; a row
// stays until the broker confirmed exactly that row. It does not give: exactly once
// (a crash between send and delete repeats), or any order between sharding keys.
package outbox

import (
	"context"
	"fmt"
	"time"

	"settlement/shared/dbtx"
)

// Message is one message to be sent after commit. The sharding key chooses the queue
// and is the unit of order: transactions that add messages of one key must be
// serialised by a row lock that they take before they add.
type Message struct {
	Topic       string
	ShardingKey string
	Key         string // KEYS, to look the message up in a console
	Tag         string
	Traceparent string
	Body        []byte
}

// row is a row of the outbox. QueueID was computed for a topic of Queues queues; a row of 0 queues
// is not placed yet.
type row struct {
	ID          uint64 `gorm:"primaryKey"`
	Topic       string
	Queues      int
	QueueID     int
	ShardingKey string
	MessageKey  string
	Tag         string
	Traceparent string
	Body        []byte
	CreatedAt   time.Time
}

// Table is the table in which messages wait.
const Table = "outbox"

func (row) TableName() string { return Table }

// Add writes messages into tx, each to its queue. Wake the relay once tx is committed, not before.
func Add(tx dbtx.Tx, topics Topics, now time.Time, messages ...Message) error {
	if len(messages) == 0 {
		return nil
	}
	rows := make([]row, 0, len(messages))
	for _, m := range messages {
		queue, queues, err := topics.queueOf(m.Topic, m.ShardingKey)
		if err != nil {
			return fmt.Errorf("add message %s to the outbox: %w", m.Key, err)
		}
		rows = append(rows, row{
			Topic: m.Topic, Queues: queues, QueueID: queue, ShardingKey: m.ShardingKey, MessageKey: m.Key,
			Tag:         m.Tag,
			Traceparent: m.Traceparent, Body: m.Body, CreatedAt: now,
		})
	}

	if err := tx.DB().Create(&rows).Error; err != nil {
		return fmt.Errorf("add %d messages to the outbox: %w", len(rows), err)
	}
	return nil
}

// Keys reads the keys of the messages of a topic that wait to be sent.
func Keys(ctx context.Context, pool *dbtx.Pool, topic string) (keys []string, err error) {
	err = pool.Read(ctx).Raw("SELECT message_key FROM outbox WHERE topic = ?", topic).Scan(&keys).Error
	if err != nil {
		return nil, fmt.Errorf("read what waits to be sent to topic %s: %w", topic, err)
	}
	return keys, nil
}
