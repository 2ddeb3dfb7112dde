package cases

import (
	"context"
	"slices"

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
		known := func(o traffic.Message) bool { return o.ID == m.ID && o.StoredAt.Equal(m.StoredAt) }
		if slices.ContainsFunc(w.gone[m.Topic], known) {
			continue // a topic that went before has left it in the log
		}
		w.gone[m.Topic] = append(w.gone[m.Topic], m)
		n++
	}
	return n, nil
}

// messages are all that a topic holds, and held before it was lost or made anew. Offsets count on from one life of the
// topic to the next.
func (w *World) messages(ctx context.Context, topic string) ([]traffic.Message, error) {
	now, err := traffic.Messages(ctx, w.NamesrvAddr, topic)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(w.gone[topic], now)
	if len(w.gone[topic]) == 0 {
		return all, nil
	}
	next := map[int]int64{} // by queue
	for i := range all {
		all[i].Offset = next[all[i].Queue]
		next[all[i].Queue]++
	}
	return all, nil
}
