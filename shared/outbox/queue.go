package outbox

import "hash/fnv"

// QueueOf is the fixed queue of a sharding key: FNV-1a 32 modulo the configured queue
// count. The count is configuration and not the route's: a route shrinks when a broker
// leaves, and a key would move to another queue, past its own earlier messages.
func QueueOf(shardingKey string, queues int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(shardingKey))    // hash.Hash.Write never returns an error
	return int(h.Sum32() % uint32(queues)) //nolint:gosec // G115: a queue count is small and positive
}
