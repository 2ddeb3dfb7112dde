// Package parking keeps the messages that cannot be settled now: for an operator
// (parked), or until the order's predecessor is done (waiting).
package parking

import (
	"errors"
	"time"
)

// ErrNotFound means that no message is parked under that id.
var ErrNotFound = errors.New("parked message not found")

// Limits of what is kept of a message; longer text is cut.
const (
	payloadMaxBytes     = 4 << 20 // what a broker takes by default; a compressed message can unpack to more
	messageIDMaxLength  = 64
	reasonMaxLength     = 1024
	propertiesMaxLength = 32 << 10
)

// State is what has become of a parked message.
type State string

// The states. Replayed, discarded and released are final.
const (
	Parked    State = "parked"    // an operator has to decide
	Waiting   State = "waiting"   // its predecessor is not done
	Replayed  State = "replayed"  // an operator had it settled
	Discarded State = "discarded" // an operator gave it up: an instruction has failed for good
	Released  State = "released"  // its predecessor was done, and then it was
)

// States lists every state.
func States() []State { return []State{Parked, Waiting, Replayed, Discarded, Released} }

// Record is one parked message.
type Record struct {
	ID         string
	State      State
	Topic      string
	Queue      int
	Offset     int64
	MessageID  string
	PaymentNo  string // these three are empty when the payload could not be read
	OrderID    string
	Seq        int64
	Payload    []byte            `json:"-"` // never changes, so an answer is remembered without it: it can be megabytes
	Properties map[string]string `json:"-"`
	Reason     string
	Attempts   int
	Resolution string // why it was discarded, or what a replay came to
	CreatedAt  time.Time
	UpdatedAt  time.Time
}
