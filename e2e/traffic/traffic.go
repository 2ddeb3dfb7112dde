// Package traffic reads and repeats what is on the topics, as a foreign program would.
package traffic

import (
	"context"
	"fmt"

	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Count is how many messages a topic holds, and how many of them its group has not acknowledged.
type Count struct {
	Stored int64 // messages that the topic holds, repeats included
	Lag    int64 // of them, not acknowledged by the group
}

// Read asks the broker for the count of a topic and its group.
func Read(ctx context.Context, admin *rocketmq.Admin, topic, group string) (c Count, err error) {
	queues, err := admin.Lag(ctx, topic, group)
	if err != nil {
		return Count{}, fmt.Errorf("traffic of topic %s: %w", topic, err)
	}
	for _, q := range queues {
		c.Stored += q.Max - q.Min
		c.Lag += q.Lag
	}
	return c, nil
}

// Quiet returns nil when the services have acknowledged every message.
func Quiet(ctx context.Context, admin *rocketmq.Admin) error {
	for topic, group := range map[string]string{
		settlement.TopicSettlement: settlement.GroupPayment, settlement.TopicOutcome: settlement.GroupOrder,
		settlement.TopicPoints: settlement.GroupPoints,
	} {
		count, err := Read(ctx, admin, topic, group)
		if err != nil {
			return err
		}
		if count.Lag > 0 {
			return fmt.Errorf("%d messages of %s are not acknowledged", count.Lag, topic)
		}
	}
	return nil
}
