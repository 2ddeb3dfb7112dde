package httpapi

import (
	"strings"

	"settlement/shared/operator"
	"settlement/shared/parking"
	"settlement/shared/web"
)

const (
	// payloadShownMax is how many bytes of a parked payload are answered. A poison message can be
	// megabytes large, and a page has up to a hundred.
	payloadShownMax = 16 << 10
	// reasonMaxLength is in characters.
	reasonMaxLength = 512
)

func checkOperator(name string) *web.FieldError {
	return web.CheckText("Operator", name, 0, operator.NameMaxLength)
}

func newParked(r parking.Record) Parked {
	shown := r.Payload[:min(len(r.Payload), payloadShownMax)]
	properties := r.Properties
	if properties == nil {
		properties = map[string]string{} // {} and not null
	}

	return Parked{
		ID: r.ID, State: ParkedState(r.State), Cause: ParkedCause(r.Cause), Topic: r.Topic, Broker: r.Broker,
		Queue:  r.Queue,
		Offset: r.Offset, MessageID: r.MessageID,
		PaymentNo: r.Number, OrderID: r.OrderingKey, Seq: r.Seq,
		Payload: strings.ToValidUTF8(string(shown), "\uFFFD"), PayloadSize: r.PayloadSize,
		Properties: properties,
		Reason:     r.Reason, Attempts: r.Attempts, Resolution: r.Resolution,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}
