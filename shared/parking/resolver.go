package parking

import (
	"fmt"

	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
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

// Resolvers has a Resolver for each topic whose messages are kept.
type Resolvers map[string]Resolver

// Of is the resolver of a message.
func (r Resolvers) Of(m Record) (Resolver, error) {
	does, known := r[m.Topic]
	if !known {
		return nil, fmt.Errorf("message %s is of topic %q, which this service does not resolve",
			m.ID, m.Topic)
	}
	return does, nil
}

// Codes of refusals. One that answers a request is remembered under its idempotency key.
const (
	CodeAlreadyResolved = "parked_already_resolved"
	CodeNotReplayable   = "parked_not_replayable"
	CodeNotDiscardable  = "parked_not_discardable"
)

// NotReplayable is the refusal of a replay.
func NotReplayable(format string, args ...any) error { return refuse(CodeNotReplayable, format, args) }

// NotDiscardable is the refusal of a discard.
func NotDiscardable(format string, args ...any) error {
	return refuse(CodeNotDiscardable, format, args)
}

func refuse(code, format string, args []any) error {
	return &idempotency.Refusal{Code: code, Detail: Cut(fmt.Sprintf(format, args...), ReasonMaxLength)}
}
