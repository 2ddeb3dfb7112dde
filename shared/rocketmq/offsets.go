package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

const (
	requestCommittedOffset = 14
	requestCommitOffset    = 15
	requestOffsetByTime    = 29
	requestMaxOffset       = 30
	requestMinOffset       = 31
	requestEarliestTime    = 32
)

// QueueLag is how far a group is behind on one queue.
type QueueLag struct {
	Broker    string // the broker's name
	Queue     int
	Min       int64 // offset of the oldest message that is still stored
	Max       int64 // offset that the next message will get
	Committed int64 // offset that the group will read next; -1: the group never committed
	Lag       int64 // stored messages that the group has not committed; all of them if it never did
}

// MaxOffset is the offset that the next message of a queue will get. T57: messages that SendBatch
// has just confirmed may be missing for a moment, on a loaded machine for longer. So one look that
// finds no lag does not prove that all is consumed.
func (a *Admin) MaxOffset(ctx context.Context, q Queue) (int64, error) {
	offset, _, err := a.offset(ctx, requestMaxOffset, q, "")
	return offset, err
}

// MinOffset is the offset of the oldest message of a queue that is still stored.
func (a *Admin) MinOffset(ctx context.Context, q Queue) (int64, error) {
	offset, _, err := a.offset(ctx, requestMinOffset, q, "")
	return offset, err
}

// CommittedOffset is the offset of a queue that a consumer group will read next, -1 when it never
// committed.
func (a *Admin) CommittedOffset(ctx context.Context, q Queue, group string) (int64, error) {
	offset, found, err := a.offset(ctx, requestCommittedOffset, q, group)
	if err == nil && !found {
		return -1, nil
	}
	return offset, err
}

// Lag says how far group is behind on each readable queue of topic, ascending by broker and queue.
// Queues of a broker that is down are not in the route and so not in the answer. See MaxOffset for
// what may be missing.
func (a *Admin) Lag(ctx context.Context, topic, group string) ([]QueueLag, error) {
	// T56: ask for the route first, because a topic that does not exist has offsets too, and would
	// look empty.
	route, err := a.Route(ctx, topic)
	if err != nil {
		return nil, err
	}

	lags := make([]QueueLag, 0, len(route.Readable))
	for _, q := range route.Readable {
		lag, err := a.queueLag(ctx, q, group)
		if err != nil {
			return nil, err
		}
		lags = append(lags, lag)
	}
	return lags, nil
}

func (a *Admin) queueLag(ctx context.Context, q Queue, group string) (lag QueueLag, err error) {
	lag = QueueLag{Broker: q.Broker, Queue: q.ID}
	// Committed is asked before Max. The other way round, messages that are consumed in between
	// would hide a backlog.
	if lag.Committed, err = a.CommittedOffset(ctx, q, group); err != nil {
		return lag, err
	}
	if lag.Min, err = a.MinOffset(ctx, q); err != nil {
		return lag, err
	}
	if lag.Max, err = a.MaxOffset(ctx, q); err != nil {
		return lag, err
	}

	// Messages that expired unread cannot be read any more; a committed offset above Max is left
	// over from a broker that lost its store.
	lag.Lag = max(0, lag.Max-max(lag.Min, lag.Committed))
	return lag, nil
}

// earliestTime returns when the oldest message of a queue that is still stored was stored, in ms,
// or -1 when the queue holds none.
func (a *Admin) earliestTime(ctx context.Context, q Queue) (int64, error) {
	return a.number(ctx, requestEarliestTime, q, queueFields(q), "timestamp")
}

// firstStoredAt returns the offset of the first message of a queue that was stored at ms or later.
// When there is none, it returns the queue's end.
func (a *Admin) firstStoredAt(ctx context.Context, q Queue, ms int64) (int64, error) {
	fields := queueFields(q)
	fields["timestamp"] = strconv.FormatInt(ms, 10)
	return a.number(ctx, requestOffsetByTime, q, fields, "offset")
}

// number asks a queue's broker for one number.
func (a *Admin) number(
	ctx context.Context, request int, q Queue, fields map[string]string, name string,
) (int64, error) {
	answer, err := a.remoting.ask(ctx, q.Addr, request, fields, nil)
	if err != nil {
		return 0, fmt.Errorf("%s of topic %q queue %d: broker %w", name, q.Topic, q.ID, err)
	}
	n, err := strconv.ParseInt(answer.ExtFields[name], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s of topic %q queue %d: broker %s: %w", name, q.Topic, q.ID, q.Addr, err)
	}
	return n, nil
}

// commitOffset sets the offset that group will read next. A nil error means that the broker has
// taken it.
func (a *Admin) commitOffset(ctx context.Context, q Queue, group string, offset int64) error {
	fields := queueFields(q)
	fields["consumerGroup"] = group
	fields["commitOffset"] = strconv.FormatInt(offset, 10)
	if _, err := a.remoting.ask(ctx, q.Addr, requestCommitOffset, fields, nil); err != nil {
		return fmt.Errorf("commit offset %d of topic %q queue %d: broker %w", offset, q.Topic, q.ID, err)
	}
	return nil
}

func (a *Admin) offset(
	ctx context.Context, request int, q Queue, group string,
) (offset int64, found bool, err error) {
	fields := queueFields(q)
	if request == requestCommittedOffset {
		fields["consumerGroup"] = group
		// T55: otherwise the broker answers 0 for a group that never committed to a young queue.
		// Such a group would look like one that did.
		fields["setZeroIfNotFound"] = "false"
	}

	answer, err := a.remoting.ask(ctx, q.Addr, request, fields, nil)
	var refused *responseError
	if errors.As(err, &refused) && refused.Code == responseNotFound && request == requestCommittedOffset {
		return 0, false, nil
	}
	if err == nil {
		offset, err = strconv.ParseInt(answer.ExtFields["offset"], 10, 64)
	}
	if err != nil {
		return 0, false, fmt.Errorf("offset of topic %q queue %d: broker %w", q.Topic, q.ID, err)
	}
	return offset, true, nil
}

func queueFields(q Queue) map[string]string {
	return map[string]string{"topic": q.Topic, "queueId": strconv.Itoa(q.ID), "bname": q.Broker}
}
