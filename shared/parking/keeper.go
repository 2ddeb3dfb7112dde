package parking

import (
	"fmt"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/notify"
	"settlement/shared/rocketmq"
)

// Keeper keeps messages in a transaction of the caller's. It is safe for concurrent use.
type Keeper struct {
	teller *notify.Teller
	now    func() time.Time
}

// NewKeeper makes a keeper whose operators are told by teller.
func NewKeeper(teller *notify.Teller, now func() time.Time) *Keeper {
	return &Keeper{teller: teller, now: now}
}

// Now is the time in microseconds, which is what DATETIME(6) keeps: an answer and a later look at
// the row agree.
func (k *Keeper) Now() time.Time { return k.now().UTC().Truncate(time.Microsecond) }

// Wake makes the teller look at once. Call it after the commit.
func (k *Keeper) Wake() { k.teller.Wake() }

// Park keeps a message for an operator, together with a notice about it. The same delivery again
// changes nothing. kept says whether the message was not there before.
func (k *Keeper) Park(
	tx dbtx.Tx, d rocketmq.Delivery, s Subject, cause Cause, reason string,
) (kept bool, err error) {
	r, err := newRow(d, s, Parked, cause, reason, k.Now())
	if err != nil {
		return false, err
	}
	if there, err := isKept(tx, r); err != nil || there {
		return false, err
	}
	if there, err := isDecidedOn(tx, r); err != nil || there {
		return false, err
	}
	if err := insert(tx, r, d.Body); err != nil {
		return false, err
	}
	return true, k.tell(tx, r, notify.EventParked, r.Reason)
}

// Wait keeps a message until its predecessor is done, and returns the record's id. The same
// delivery again changes nothing, and the id is empty.
func (k *Keeper) Wait(tx dbtx.Tx, d rocketmq.Delivery, s Subject, reason string) (id string, err error) {
	r, err := newRow(d, s, Waiting, CauseAhead, reason, k.Now())
	if err != nil {
		return "", err
	}
	if there, err := isKept(tx, r); err != nil || there {
		return "", err
	}
	return r.ID, insert(tx, r, d.Body)
}

// isKept reports whether this very delivery is kept already. Rows of older releases have no broker.
// The hash belongs to the key: a broker that was set up anew counts its offsets from 0 again.
func isKept(tx dbtx.Tx, r row) (bool, error) {
	var n int64
	err := tx.DB().Model(&row{}).
		Where("topic = ? AND broker IN (?, '') AND queue_id = ? AND queue_offset = ? AND payload_sha256 = ?",
			r.Topic, r.Broker, r.QueueID, r.QueueOffset, r.PayloadSHA256).Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("look for a parked message: %w", err)
	}
	return n > 0, nil
}

// insert adds a row. It cuts the payload as far as this server makes necessary.
func insert(tx dbtx.Tx, r row, body []byte) error {
	if len(r.Payload) > payloadAlwaysTaken {
		limit, err := payloadLimit(tx)
		if err != nil {
			return err
		}
		r = r.withPayload(body, min(limit, payloadMaxBytes))
	}

	err := tx.DB().Create(&r).Error
	if dbtx.IsDuplicateKey(err) {
		// Another consumer keeps the same delivery at the same time: the next run finds it.
		return dbtx.Again("duplicate_key", err)
	}
	if err != nil {
		return fmt.Errorf("keep message at %s queue %d offset %d: %w", r.Topic, r.QueueID, r.QueueOffset, err)
	}
	return nil
}

// isDecidedOn reports whether a copy of a message in conflict is or was parked. A sender who
// repeats the message does not get another decision.
func isDecidedOn(tx dbtx.Tx, r row) (bool, error) {
	if r.Cause != CauseConflict || r.OrderID == nil {
		return false, nil
	}
	var n int64
	err := tx.DB().Model(&row{}).Where("order_id = ? AND topic = ? AND cause = ? AND payload_sha256 = ? AND state <> ?",
		*r.OrderID, r.Topic, r.Cause, r.PayloadSHA256, Waiting).Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("look for a parked copy: %w", err)
	}
	return n > 0, nil
}

// payloadAlwaysTaken is the size of a payload that every server takes: the smallest
// max_allowed_packet in use is far above it.
const payloadAlwaysTaken = 64 << 10

// payloadLimit returns how many bytes of a payload fit into a statement. Written as text, each byte
// can take two. Above the limit the server answers with an error, or resets the connection, which
// looks like a passing fault.
func payloadLimit(tx dbtx.Tx) (int, error) {
	var packet int
	if err := tx.DB().Raw("SELECT @@max_allowed_packet").Scan(&packet).Error; err != nil {
		return 0, fmt.Errorf("ask for max_allowed_packet: %w", err)
	}
	return max(packet/2-2*propertiesMaxLength, payloadAlwaysTaken), nil
}

// Kept is a message of an ordering key that is not done: it waits, or an operator has to decide on
// it.
type Kept struct {
	ID       string
	State    State // Waiting or Parked
	Cause    Cause
	Subject  Subject
	Delivery rocketmq.Delivery
}

// Of reads the messages of the given ordering keys that wait or are parked, each key's in sequence.
// The caller holds the rows that fence the keys, so no other transaction adds or releases a waiting
// message.
func Of(tx dbtx.Tx, topic string, orderingKeys []string) ([]Kept, error) {
	if len(orderingKeys) == 0 {
		return nil, nil
	}
	var rows []row
	err := tx.DB().Where("order_id IN ? AND state IN ? AND topic = ?",
		orderingKeys, []State{Waiting, Parked}, topic).
		Order("order_id, seq, id").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read waiting and parked messages: %w", err)
	}

	kept := make([]Kept, 0, len(rows))
	for _, r := range rows {
		rec, err := r.record()
		if err != nil {
			return nil, err
		}
		kept = append(kept, Kept{
			ID: r.ID, State: r.State, Cause: r.Cause, Subject: rec.Subject, Delivery: rec.Delivery(),
		})
	}
	return kept, nil
}

// Release marks waiting messages that have been done.
func (k *Keeper) Release(tx dbtx.Tx, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	res := tx.DB().Model(&row{}).Where("id IN ? AND state = ?", ids, Waiting).
		Updates(map[string]any{"state": Released, "updated_at": k.Now()})
	if res.Error != nil {
		return fmt.Errorf("release %d waiting messages: %w", len(ids), res.Error)
	}
	if res.RowsAffected != int64(len(ids)) {
		return fmt.Errorf("released %d of %d waiting messages: somebody resolved one of them meanwhile",
			res.RowsAffected, len(ids))
	}
	return nil
}

// tell writes a notice about r, with a reason that may leave the house.
func (k *Keeper) tell(tx dbtx.Tx, r row, event, reason string) error {
	detail := ""
	if r.Cause == CauseFailed {
		detail = kindOf(r.Reason)
	}
	s := r.subject()
	return k.teller.Write(tx, k.Now(), notify.Notice{
		Type: event, Key: r.ID, CauseKey: notify.CauseKey(r.Topic, string(r.Cause), detail),
		Data: notify.Message{
			ID: r.ID, Cause: string(r.Cause), OrderID: s.OrderingKey, PaymentNo: s.Number, Seq: s.Seq,
			Topic: r.Topic, Queue: r.QueueID, Offset: r.QueueOffset, MessageID: r.MessageID,
			Attempts: r.Attempts,
			Reason:   reason,
		},
	})
}
