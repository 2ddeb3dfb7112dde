package settlement

import (
	"crypto/rand"
	"fmt"
	"regexp"
)

// PropertyTraceparent is the user property that carries the trace from the request
// through the outbox and the topic to the other service.
const PropertyTraceparent = "traceparent"

// Source: W3C Trace Context level 1, section 3.2, version 00.
var traceparentForm = regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$`)

const (
	traceIDZero = "00000000000000000000000000000000"
	spanIDZero  = "0000000000000000"
)

// TraceparentOr returns given if it is a valid traceparent, else a new one: a broken
// header must not break a payment.
func TraceparentOr(given string) string {
	if m := traceparentForm.FindStringSubmatch(given); m != nil && m[1] != traceIDZero && m[2] != spanIDZero {
		return given
	}
	var b [24]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error since Go 1.24
	return fmt.Sprintf("00-%x-%x-01", b[:16], b[16:])
}
