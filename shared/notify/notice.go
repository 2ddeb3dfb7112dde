// Package notify tells people that a message was parked. Write puts the notice into the transaction that parks;
// the Teller tells it afterwards, on every channel, until each has taken it: at least once, and never from inside
// a transaction or while a queue waits.
package notify

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"settlement/shared/dbtx"
)

// EventParked is the type of a notice.
const EventParked = "message.parked"

// Notice is what is told about a parked message; the JSON is the webhook's body.
type Notice struct {
	Type      string    `json:"type"` // EventParked
	Timestamp time.Time `json:"timestamp"`
	Data      Parked    `json:"data"`
}

// Parked is the message that an operator has to decide on.
type Parked struct {
	ID        string `json:"id"` // of /v1/parked
	OrderID   string `json:"order_id,omitempty"`
	PaymentNo string `json:"payment_no,omitempty"`
	Seq       int64  `json:"seq,omitempty"`
	Topic     string `json:"topic"`
	Queue     int    `json:"queue"`
	Offset    int64  `json:"offset"`
	MessageID string `json:"message_id"`
	Attempts  int    `json:"attempts"`
	Reason    string `json:"reason"`
}

// Write writes into tx that p is to be told on every channel. Wake the Teller once tx is committed.
func (t *Teller) Write(tx dbtx.Tx, now time.Time, p Parked) error {
	body, err := json.Marshal(Notice{Type: EventParked, Timestamp: now, Data: p})
	if err != nil {
		return fmt.Errorf("encode the notice of parked message %s: %w", p.ID, err)
	}
	for _, n := range t.notifiers {
		err := tx.DB().Exec("INSERT INTO notifications (id, parked_id, channel, body, attempts, next_try_at, last_error, created_at)"+
			" VALUES (?, ?, ?, ?, 0, NOW(6), '', ?)", uuid.Must(uuid.NewV7()).String(), p.ID, n.Channel(), string(body), now).Error
		if err != nil {
			return fmt.Errorf("note that parked message %s is to be told by %s: %w", p.ID, n.Channel(), err)
		}
	}
	return nil
}
