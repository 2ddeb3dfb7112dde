package cases

import (
	"context"
	"slices"
	"time"

	"settlement/e2e/stack"
	"settlement/e2e/traffic"
)

// remember keeps what topics have held, for the judge, before or after it cannot be read from the broker any more: what
// the broker had stored is in its files also when it is dead, and when the topic is gone. It returns how many messages
// were new.
func (w *World) remember(topics ...string) (n int64, err error) {
	broker, err := w.Server(stack.Broker)
	if err != nil {
		return 0, err
	}
	dir, err := broker.CommitLog()
	if err != nil {
		return 0, err
	}
	stored, err := traffic.CommitLog(dir, topics...)
	if err != nil {
		return 0, err
	}
	for _, m := range stored {
		if !w.known[lifeOf(m)] {
			w.known[lifeOf(m)] = true
			w.gone[m.Topic] = append(w.gone[m.Topic], m)
			n++
		}
	}
	return n, nil
}

// life is one stored message, also where another broker's store has another one at its place.
type life struct {
	id string
	at time.Time
}

func lifeOf(m traffic.Message) life { return life{m.ID, m.StoredAt} }

// messages are all that a topic holds, and held before it was lost, made anew or expired. Offsets count on from one life of
// the topic to the next.
func (w *World) messages(ctx context.Context, topic string) ([]traffic.Message, error) {
	now, err := traffic.Messages(ctx, w.NamesrvAddr, topic)
	if err != nil {
		return nil, err
	}
	return w.ever(topic, now), nil
}

// ever adds to what a topic holds now what it held before.
func (w *World) ever(topic string, now []traffic.Message) []traffic.Message {
	if len(w.gone[topic]) == 0 {
		return now
	}
	all := slices.Concat(w.gone[topic], slices.DeleteFunc(slices.Clone(now), func(m traffic.Message) bool { return w.known[lifeOf(m)] }))
	next := map[int]int64{} // by queue
	for i := range all {
		all[i].Offset = next[all[i].Queue]
		next[all[i].Queue]++
	}
	return all
}
