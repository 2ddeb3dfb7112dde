package cases

import (
	"context"
	"slices"
	"time"

	"settlement/e2e/stack"
	"settlement/e2e/traffic"
)

// remember reads the messages of topics from the broker's files and keeps them for the judge, which
// may not be able to read them from the broker any more. They are in the files also when the broker
// is dead and when the topic is gone. remember returns how many messages were new.
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

// life identifies one stored message. A later store of the broker may hold another message at the
// same place: it differs in its time.
type life struct {
	id string
	at time.Time
}

func lifeOf(m traffic.Message) life { return life{m.ID, m.StoredAt} }

// messages returns all that a topic holds, and all that it held before it was lost, made anew or
// expired. Offsets count on from one life of the topic to the next.
func (w *World) messages(ctx context.Context, topic string) ([]traffic.Message, error) {
	now, err := traffic.Messages(ctx, w.NamesrvAddr, topic)
	if err != nil {
		return nil, err
	}
	return w.ever(topic, now), nil
}

// forgotten counts the remembered messages that a topic does not hold any more.
func (w *World) forgotten(topic string) measure {
	return func(ctx context.Context) (n int64, err error) {
		now, err := traffic.Messages(ctx, w.NamesrvAddr, topic)
		held := map[life]bool{}
		for _, m := range now {
			held[lifeOf(m)] = true
		}
		for _, m := range w.gone[topic] {
			if !held[lifeOf(m)] {
				n++
			}
		}
		return n, err
	}
}

// ever puts the messages that a topic held before in front of those that it holds now.
func (w *World) ever(topic string, now []traffic.Message) []traffic.Message {
	if len(w.gone[topic]) == 0 {
		return now
	}
	all := slices.Concat(w.gone[topic],
		slices.DeleteFunc(slices.Clone(now), func(m traffic.Message) bool { return w.known[lifeOf(m)] }))
	next := map[int]int64{} // by queue
	for i := range all {
		all[i].Offset = next[all[i].Queue]
		next[all[i].Queue]++
	}
	return all
}
