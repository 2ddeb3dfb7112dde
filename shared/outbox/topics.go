package outbox

import (
	"fmt"
	"hash/fnv"
)

// Topics is the configured queue count of each topic that a service sends to. The service's relay
// and everything that adds to its outbox are given the same Topics.
type Topics map[string]int

// queueOf returns the queue of a sharding key of a topic, and the queue count that it was computed
// with.
func (t Topics) queueOf(topic, shardingKey string) (queue, queues int, err error) {
	queues, known := t[topic]
	if !known {
		return 0, 0, fmt.Errorf("topic %q has no queue count: this service sends to %v only", topic, t)
	}
	return QueueOf(shardingKey, queues), queues, nil
}

// QueueOf is the fixed queue of a sharding key: FNV-1a 32 modulo the configured queue
// count. The count is configuration and not the route's: a route shrinks when a broker
// leaves, and a key would move to another queue, past its own earlier messages.
func QueueOf(shardingKey string, queues int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(shardingKey))    // hash.Hash.Write never returns an error
	return int(h.Sum32() % uint32(queues)) //nolint:gosec // G115: a queue count is small and positive
}
