package parking

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// row is parked_messages.
type row struct {
	ID            string `gorm:"primaryKey"`
	State         State
	Topic         string
	QueueID       int
	QueueOffset   int64
	MessageID     string
	PaymentNo     *string
	OrderID       *string
	Seq           *int64
	Payload       []byte
	PayloadSHA256 string `gorm:"column:payload_sha256"`
	Properties    string
	Reason        string
	Attempts      int
	Resolution    string
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

func (row) TableName() string { return "parked_messages" }

func newRow(d rocketmq.Delivery, state State, reason string, now time.Time) (row, error) {
	properties, err := json.Marshal(d.Properties)
	if err != nil {
		return row{}, fmt.Errorf("encode message properties: %w", err)
	}
	if len(properties) > propertiesMaxLength {
		properties = []byte("{}")
	}
	sum := sha256.Sum256(d.Body)
	payload := append([]byte{}, d.Body[:min(len(d.Body), payloadMaxBytes)]...) // not NULL when it is empty
	if len(payload) < len(d.Body) {
		reason = fmt.Sprintf("payload cut from %d bytes; %s", len(d.Body), reason)
	}
	// Whatever a sender put into the message has to fit: one that cannot be parked would
	// stop its queue for ever.
	return row{
		ID: uuid.Must(uuid.NewV7()).String(), State: state,
		Topic: d.Topic, QueueID: d.Queue, QueueOffset: d.Offset, MessageID: cut(d.MessageID, messageIDMaxLength),
		Payload: payload, PayloadSHA256: hex.EncodeToString(sum[:]), Properties: string(properties),
		Reason: cut(reason, reasonMaxLength), Attempts: 1, CreatedAt: now, UpdatedAt: now,
	}, nil
}

// withInstruction fills in what the payload says.
func (r row) withInstruction(in settlement.Instruction) row {
	r.PaymentNo, r.OrderID, r.Seq = &in.PaymentNo, &in.OrderID, &in.Seq
	return r
}

// delivery is the message as it came.
func (r row) delivery() (rocketmq.Delivery, error) {
	rec, err := r.record()
	return rocketmq.Delivery{
		Topic: r.Topic, Queue: r.QueueID, Offset: r.QueueOffset, MessageID: r.MessageID, Body: r.Payload, Properties: rec.Properties,
	}, err
}

func (r row) record() (Record, error) {
	rec := Record{
		ID: r.ID, State: r.State, Topic: r.Topic, Queue: r.QueueID, Offset: r.QueueOffset, MessageID: r.MessageID,
		Payload: r.Payload, Reason: r.Reason, Attempts: r.Attempts, Resolution: r.Resolution,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if r.PaymentNo != nil && r.OrderID != nil && r.Seq != nil {
		rec.PaymentNo, rec.OrderID, rec.Seq = *r.PaymentNo, *r.OrderID, *r.Seq
	}
	if err := json.Unmarshal([]byte(r.Properties), &rec.Properties); err != nil {
		return Record{}, fmt.Errorf("properties of parked message %s: %w", r.ID, err)
	}
	return rec, nil
}

// cut keeps at most limit bytes of s and no broken character, which a strict database
// refuses. Text from a foreign message may hold anything.
func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}
