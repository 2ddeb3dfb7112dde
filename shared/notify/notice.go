// Package notify tells people what only a person can decide. Write puts the notice into the
// transaction that makes it necessary. Afterwards the Teller tells it on every channel until each
// has taken it, which is at least once. No transaction and no queue waits for that. Notices of one
// cause are told as one.
package notify

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"settlement/shared/dbtx"
)

// The types of notices.
const (
	EventParked  = "message.parked"  // an operator has to decide on a message
	EventWaiting = "message.waiting" // a message has waited long for one that comes before it
	// One message after another fails: nothing is parked, the queues pause.
	EventStopped = "consumption.stopped"
)

// Notice is one notice; its JSON is the webhook's body.
type Notice struct {
	Type      string    `json:"type"` // an Event…
	Timestamp time.Time `json:"timestamp"`
	Data      Message   `json:"data"`

	// UUID of what the notice is about; a second notice of one type and key replaces the first
	Key      string `json:"-"`
	CauseKey string `json:"-"` // notices with the same one are told as one
}

// Message is what a notice is about. In a notice of several messages it is the oldest of them.
type Message struct {
	ID        string   `json:"id,omitempty"` // of the parked message
	Cause     string   `json:"cause"`
	OrderID   string   `json:"order_id,omitempty"` // of topic points: the customer
	PaymentNo string   `json:"payment_no,omitempty"`
	Seq       int64    `json:"seq,omitempty"`
	Topic     string   `json:"topic"`
	Queue     int      `json:"queue"`
	Offset    int64    `json:"offset"`
	MessageID string   `json:"message_id,omitempty"`
	Attempts  int      `json:"attempts"`
	Reason    string   `json:"reason"`
	Count     int      `json:"count"`         // messages with this cause that this notice tells of
	IDs       []string `json:"ids,omitempty"` // ids of the messages, when there are several
}

const causeKeyMaxLength = 255

// CauseKey makes the CauseKey of a notice from its parts.
func CauseKey(topic, cause, detail string) string {
	key := topic + " " + cause
	if detail != "" {
		key += ": " + detail
	}
	if utf8.RuneCountInString(key) > causeKeyMaxLength {
		key = string([]rune(key)[:causeKeyMaxLength])
	}
	return key
}

// Write writes into tx that n is to be told on every channel. Wake the Teller once tx is committed.
func (t *Teller) Write(tx dbtx.Tx, now time.Time, n Notice) error {
	n.Timestamp = now
	n.Data.Count = 1
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode the notice %s of %s: %w", n.Type, n.Key, err)
	}

	for _, notifier := range t.notifiers {
		err := tx.DB().Exec("INSERT INTO notifications (id, parked_id, type, channel, cause_key, body,"+
			" attempts, next_try_at, last_error, created_at)"+
			" VALUES (?, ?, ?, ?, ?, ?, 0, NOW(6), '', ?)"+
			// A notice that was told is told anew, under another id. One that was not told stays in
			// its group.
			" ON DUPLICATE KEY UPDATE id = IF(told_at IS NULL, id, VALUES(id)), group_id = IF(told_at IS"+
			" NULL, group_id, NULL),"+
			" body = VALUES(body), attempts = 0, next_try_at = VALUES(next_try_at), told_at = NULL",
			uuid.Must(uuid.NewV7()).String(), n.Key, n.Type, notifier.Channel(), n.CauseKey, string(body),
			now).Error
		if err != nil {
			return fmt.Errorf("note that %s of %s is to be told by %s: %w",
				n.Type, n.Key, notifier.Channel(), err)
		}
	}
	return nil
}
