package outbox

import (
	"fmt"
	"strings"
	"time"

	"settlement/shared/dbtx"
)

// Behind says for each of the sharding keys of a topic whether a message that was added before the
// time since may still wait in the outbox. since is by the clock from which Add was given its now.
//
// A lane sends its rows in order, so its oldest row answers for all of its keys, however many rows
// it has. A lane that fails says nothing about the other lanes. A row that has no queue yet may be
// of any key.
func Behind(
	tx dbtx.Tx, topics Topics, topic string, since time.Time, shardingKeys ...string,
) (map[string]bool, error) {
	if len(shardingKeys) == 0 {
		return nil, nil
	}

	const unplaced = -1
	queues := map[int]bool{}
	for _, key := range shardingKeys {
		queue, _, err := topics.queueOf(topic, key)
		if err != nil {
			return nil, fmt.Errorf("ask whether messages of %s wait: %w", key, err)
		}
		queues[queue] = true
	}

	var parts []string
	var args []any
	ask := func(queue int, from rows, order string) {
		parts = append(parts, "(SELECT ? AS queue, created_at"+lanesIndex+from.where+order+" LIMIT 1)")
		args = append(append(args, queue), from.args...)
	}

	ask(unplaced, strays(topic, topics[topic]), "")
	for queue := range queues {
		ask(queue, inLane(topic, topics[topic], queue), " ORDER BY id")
	}
	var oldest []struct {
		Queue     int
		CreatedAt time.Time
	}
	if err := tx.DB().Raw(strings.Join(parts, " UNION ALL "), args...).Scan(&oldest).Error; err != nil {
		return nil, fmt.Errorf("read the oldest rows of the outbox for %s: %w", topic, err)
	}

	late := map[int]bool{}
	for _, row := range oldest {
		late[row.Queue] = row.CreatedAt.Before(since)
	}
	behind := map[string]bool{}
	for _, key := range shardingKeys {
		behind[key] = late[unplaced] || late[QueueOf(key, topics[topic])]
	}
	return behind, nil
}
