package parking

import (
	"context"
	"fmt"

	"settlement/shared/dbtx"
	"settlement/shared/notify"
	"settlement/shared/rocketmq"
)

// Resolver knows what the kept messages of one topic mean. It does what they ask in the transaction
// that it is given, or returns an *idempotency.Refusal that says why this cannot be.
type Resolver interface {
	// Subject is what a payload is about. An error means that the payload cannot be read.
	Subject(payload []byte) (Subject, error)
	// Replay does what the message asks, unless that was done before. It returns Replayed and the
	// result, or Waiting when the predecessor is not done. With closeGap it does not wait for a
	// predecessor that never came.
	Replay(tx dbtx.Tx, m Record, closeGap bool) (to State, resolution string, err error)
	// Discard gives the message up for good, with the same meaning of closeGap.
	Discard(tx dbtx.Tx, m Record, closeGap bool) error
	// Wake is called after the commit of either.
	Wake()
}

// Lot is all messages that are kept in one database. It is safe for concurrent use.
type Lot struct {
	pool      *dbtx.Pool
	keeper    *Keeper
	resolvers map[string]Resolver
}

// NewLot makes a lot. resolvers has one for each topic whose messages are parked.
func NewLot(pool *dbtx.Pool, keeper *Keeper, resolvers map[string]Resolver) *Lot {
	return &Lot{pool: pool, keeper: keeper, resolvers: resolvers}
}

// Park keeps a message that can never be done. parked says whether it was not kept before. The same
// delivery again changes nothing, so the message may be acknowledged after Park returned a nil
// error, and parked again when the acknowledgement is lost.
func (l *Lot) Park(ctx context.Context, d rocketmq.Delivery, s Subject, cause Cause, reason string) (parked bool, err error) {
	err = l.pool.Run(ctx, func(tx dbtx.Tx) (err error) {
		parked, err = l.keeper.Park(tx, d, s, cause, reason)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("park message at %s queue %d offset %d: %w", d.Topic, d.Queue, d.Offset, err)
	}
	l.keeper.Wake()
	return parked, nil
}

// TellStopped writes a notice that the messages of a topic fail one after another. key is a UUID: a
// second notice under the same key replaces one that was not told yet.
func (l *Lot) TellStopped(ctx context.Context, key, topic string, cause error) error {
	err := l.pool.Run(ctx, func(tx dbtx.Tx) error {
		return l.keeper.teller.Write(tx, l.keeper.now(), notify.Notice{
			Type: notify.EventStopped, Key: key, CauseKey: notify.CauseKey(topic, "stopped", ""),
			Data: notify.Message{Cause: "stopped", Topic: topic, Reason: PublicReason(cause)},
		})
	})
	if err != nil {
		return fmt.Errorf("note that somebody has to be told that %s stands still: %w", topic, err)
	}
	l.keeper.Wake()
	return nil
}
