package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/dbtx"
	"settlement/shared/gauges"
)

const (
	// depthMax is how many rows of one queue are counted at most: to count all of a backlog takes
	// longer than a scrape may.
	depthMax = 10_000
	// otherTopics is the label of rows of topics that the service does not send to.
	otherTopics = "other"
)

var (
	depthDesc = prometheus.NewDesc("outbox_depth",
		fmt.Sprintf("Rows that wait to be sent, of each queue of the topic at most %d.", depthMax),
		[]string{"topic"}, nil)
	ageDesc = prometheus.NewDesc("outbox_age_seconds", "Age of the oldest row that waits to be sent.",
		[]string{"topic"}, nil)
)

// Gauges reports how many rows of topics wait, and for how long.
func Gauges(pool *dbtx.Pool, topics Topics) prometheus.Collector {
	return gauges.Query{
		Descs: []*prometheus.Desc{depthDesc, ageDesc},
		Read: func(ctx context.Context, set gauges.Set) error {
			all, err := readWaiting(ctx, pool, topics)
			for topic, w := range all {
				set(depthDesc, w.depth, topic)
				set(ageDesc, w.age, topic)
			}
			return err
		},
	}
}

type waiting struct{ depth, age float64 }

// readWaiting asks for each queue by itself how many rows it has, and how old the first one is.
func readWaiting(ctx context.Context, pool *dbtx.Pool, topics Topics) (map[string]waiting, error) {
	var parts []string
	var args []any
	ask := func(topic string, from rows, order string) {
		parts = append(parts, "(SELECT ? AS topic,"+
			" (SELECT COUNT(*) FROM (SELECT 1"+lanesIndex+from.where+" LIMIT ?) AS counted) AS depth,"+
			" COALESCE((SELECT TIMESTAMPDIFF(MICROSECOND, created_at, NOW(6)) / 1000000"+lanesIndex+
			from.where+order+" LIMIT 1), 0) AS age)")
		args = append(append(append(append(args, topic), from.args...), depthMax), from.args...)
	}

	all := map[string]waiting{otherTopics: {}}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		queues := topics[topic]
		all[topic] = waiting{}
		ask(topic, strays(topic, queues), "")
		for queue := range queues {
			ask(topic, inLane(topic, queues, queue), " ORDER BY id")
		}
	}
	for _, gap := range topics.others() {
		ask(otherTopics, gap, "")
	}

	var found []struct {
		Topic string
		Depth float64
		Age   float64
	}
	if err := pool.Read(ctx).Raw(strings.Join(parts, " UNION ALL "), args...).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("read how much waits in the outbox: %w", err)
	}

	for _, f := range found {
		w := all[f.Topic]
		all[f.Topic] = waiting{depth: w.depth + f.Depth, age: max(w.age, f.Age)}
	}
	return all, nil
}
