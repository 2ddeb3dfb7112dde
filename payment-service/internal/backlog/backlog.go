// Package backlog reads how far consumer groups are behind, per topic and queue.
package backlog

import (
	"context"
	"fmt"

	"settlement/shared/rocketmq"
)

// Subscription is a group that reads a topic.
type Subscription struct {
	Topic string
	Group string
}

// Group is how far one subscription is behind.
type Group struct {
	Topic  string
	Group  string
	Lag    int64 // messages, over all queues
	Queues []rocketmq.QueueLag
}

// Reader asks the broker. It is safe for concurrent use.
type Reader struct {
	admin         *rocketmq.Admin
	subscriptions []Subscription
}

// NewReader makes a reader for the given subscriptions.
func NewReader(admin *rocketmq.Admin, subscriptions ...Subscription) *Reader {
	return &Reader{admin: admin, subscriptions: subscriptions}
}

// Read returns one group per subscription, in the order given to NewReader.
func (r *Reader) Read(ctx context.Context) ([]Group, error) {
	groups := make([]Group, 0, len(r.subscriptions))
	for _, s := range r.subscriptions {
		queues, err := r.admin.Lag(ctx, s.Topic, s.Group)
		if err != nil {
			return nil, fmt.Errorf("backlog of group %s on topic %s: %w", s.Group, s.Topic, err)
		}
		g := Group{Topic: s.Topic, Group: s.Group, Queues: queues}
		for _, q := range queues {
			g.Lag += q.Lag
		}
		groups = append(groups, g)
	}
	return groups, nil
}
