package parking

import (
	"context"
	"fmt"

	"settlement/shared/dbtx"
	"settlement/shared/notify"
	"settlement/shared/rocketmq"
)

// Lot is all messages that are kept in one database. It is safe for concurrent use.
type Lot struct {
	pool   *dbtx.Pool
	keeper *Keeper
}

// NewLot makes a lot.
func NewLot(pool *dbtx.Pool, keeper *Keeper) *Lot { return &Lot{pool: pool, keeper: keeper} }

// Park keeps a message that can never be done. parked says whether it was not kept before. The same
// delivery again changes nothing, so the message may be acknowledged after Park returned a nil
// error, and parked again when the acknowledgement is lost.
func (l *Lot) Park(
	ctx context.Context, d rocketmq.Delivery, s Subject, cause Cause, reason string,
) (parked bool, err error) {
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
		return l.keeper.teller.Write(tx, l.keeper.Now(), notify.Notice{
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
