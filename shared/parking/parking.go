// Package parking keeps the messages that cannot be done now: for an operator (parked), or until
// their predecessor is done (waiting). It knows rows, payloads and states; the Resolver of a topic
// knows what a message means, and package operator has it do what an operator decides. Both
// services use it, each in its own database.
package parking

import (
	"errors"
	"time"

	"settlement/shared/rocketmq"
)

// ErrNotFound means that no message is kept under that id.
var ErrNotFound = errors.New("parked message not found")

// Limits of what is kept of a message; longer text is cut. A column VARCHAR(n) holds n characters,
// so the limits of such columns are in characters.
const (
	payloadMaxBytes     = 4 << 20 // what a broker takes by default; a compressed message can unpack to more
	payloadShownBytes   = 16 << 10
	brokerMaxLength     = 128
	messageIDMaxLength  = 64
	ReasonMaxLength     = 1024
	propertiesMaxLength = 32 << 10
)

// State is what has become of a message that was kept.
type State string

// The states. Replayed, discarded and released are final.
const (
	Parked    State = "parked"    // an operator has to decide
	Waiting   State = "waiting"   // its predecessor is not done
	Replayed  State = "replayed"  // an operator had it done
	Discarded State = "discarded" // an operator gave it up
	Released  State = "released"  // it was done after its predecessor
)

// States lists every state.
func States() []State { return []State{Parked, Waiting, Replayed, Discarded, Released} }

// Cause is why a message is kept.
type Cause string

// The causes.
const (
	CausePoison   Cause = "poison"   // nobody can read it
	CauseConflict Cause = "conflict" // its number or its place belongs to something else
	CauseFailed   Cause = "failed"   // it failed every time, where others succeeded
	CauseAhead    Cause = "ahead"    // it came before its predecessor
)

// Subject is what a message is about. The zero value is a message that nobody could read. Its JSON
// has the names of the columns, because remembered answers have them.
type Subject struct {
	Number      string `json:"PaymentNo"` // its business number, a UUID: payment_no or points_no
	OrderingKey string `json:"OrderID"`   // UUID of the order or the customer whose sequence it belongs to
	Seq         int64  // its sequence there
}

// Record is one message that is or was kept.
type Record struct {
	ID    string
	State State
	Cause Cause
	Subject
	Topic     string
	Broker    string
	Queue     int
	Offset    int64
	MessageID string
	// Never changes, so an answer is remembered without it: it can be megabytes.
	Payload     []byte            `json:"-"`
	PayloadSize int               // of the whole payload, in bytes; a list has only the beginning of it
	Properties  map[string]string `json:"-"`
	Reason      string
	Attempts    int
	Resolution  string // why it was discarded, or what a replay came to
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Delivery is the message as it came.
func (r Record) Delivery() rocketmq.Delivery {
	return rocketmq.Delivery{
		Topic: r.Topic, Broker: r.Broker, Queue: r.Queue, Offset: r.Offset, MessageID: r.MessageID,
		Body: r.Payload, Properties: r.Properties,
	}
}
