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
)

// row is a row of parked_messages. PaymentNo and OrderID are the subject's number and ordering key,
// whatever the topic.
type row struct {
	ID            string `gorm:"primaryKey"`
	State         State
	Cause         Cause
	Topic         string
	Broker        string
	QueueID       int
	QueueOffset   int64
	MessageID     string
	PaymentNo     *string
	OrderID       *string
	Seq           *int64
	Payload       []byte
	PayloadSize   int    `gorm:"->"` // read by List only, which cuts the payloads
	PayloadSHA256 string `gorm:"column:payload_sha256"`
	Properties    string
	Reason        string
	Attempts      int
	Resolution    string
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

func (row) TableName() string { return "parked_messages" }

// newRow makes the row of a message. It cuts or drops what is too long: a message that cannot be
// kept would stop its queue for ever.
func newRow(
	d rocketmq.Delivery, s Subject, state State, cause Cause, reason string, now time.Time,
) (row, error) {
	properties, err := json.Marshal(d.Properties)
	if err != nil {
		return row{}, fmt.Errorf("encode message properties: %w", err)
	}
	if len(properties) > propertiesMaxLength {
		properties = []byte("{}")
	}

	sum := sha256.Sum256(d.Body)
	r := row{
		ID: uuid.Must(uuid.NewV7()).String(), State: state, Cause: cause,
		Topic: d.Topic, Broker: Cut(d.Broker, brokerMaxLength), QueueID: d.Queue, QueueOffset: d.Offset,
		MessageID:     Cut(d.MessageID, messageIDMaxLength),
		PayloadSHA256: hex.EncodeToString(sum[:]), Properties: string(properties),
		Reason: Cut(reason, ReasonMaxLength), Attempts: 1, CreatedAt: now, UpdatedAt: now,
	}
	if s != (Subject{}) {
		r.PaymentNo, r.OrderID, r.Seq = &s.Number, &s.OrderingKey, &s.Seq
	}
	return r.withPayload(d.Body, payloadMaxBytes), nil
}

// withPayload keeps at most limit bytes of body, and says so where that is less than all.
func (r row) withPayload(body []byte, limit int) row {
	r.Payload = append([]byte{}, body[:min(len(body), limit)]...) // not NULL when it is empty
	if len(r.Payload) < len(body) {
		r.Reason = Cut(fmt.Sprintf("payload cut from %d bytes; %s", len(body), r.Reason), ReasonMaxLength)
	}
	return r
}

func (r row) subject() Subject {
	if r.PaymentNo == nil || r.OrderID == nil || r.Seq == nil {
		return Subject{}
	}
	return Subject{Number: *r.PaymentNo, OrderingKey: *r.OrderID, Seq: *r.Seq}
}

func (r row) record() (Record, error) {
	rec := Record{
		ID: r.ID, State: r.State, Cause: r.Cause, Subject: r.subject(),
		Topic: r.Topic, Broker: r.Broker, Queue: r.QueueID, Offset: r.QueueOffset, MessageID: r.MessageID,
		Payload: r.Payload, PayloadSize: max(r.PayloadSize, len(r.Payload)),
		Reason: r.Reason, Attempts: r.Attempts, Resolution: r.Resolution,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if err := json.Unmarshal([]byte(r.Properties), &rec.Properties); err != nil {
		return Record{}, fmt.Errorf("properties of parked message %s: %w", r.ID, err)
	}
	return rec, nil
}

// Cut keeps at most limit characters of s and replaces broken ones, which a strict database
// refuses. Text from a foreign message may hold anything.
func Cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "?")
	n := 0
	for at := range s {
		if n == limit {
			return s[:at]
		}
		n++
	}
	return s
}
