// Package traceparent carries a trace from a request through the outbox and the topic to the other
// service, as W3C Trace Context has it.
package traceparent

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strconv"
)

// Property is the user property of a message that carries the trace.
const Property = "traceparent"

// traceparentForm is the four fields of version 00, and whatever a later version has behind them.
// Source: W3C Trace Context level 1, sections 3.2 and 4.
var traceparentForm = regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$`)

const (
	versionOurs    = "00"
	versionInvalid = "ff"
	traceIDZero    = "00000000000000000000000000000000"
	spanIDZero     = "0000000000000000"
	flagSampled    = 0x01 // the one flag of version 00; what a later version's others mean is not known here
)

// Or returns given if it is a traceparent of version 00. Of a later version it returns what version
// 00 has a place for, so that the trace goes on. Else it returns a new one: a broken header must
// not break a payment.
func Or(given string) string {
	m := traceparentForm.FindStringSubmatch(given)
	if m == nil || m[1] == versionInvalid || m[2] == traceIDZero || m[3] == spanIDZero ||
		m[1] == versionOurs && m[5] != "" {
		return renew()
	}
	if m[1] == versionOurs {
		return given
	}
	flags, _ := strconv.ParseUint(m[4], 16, 8) // two hexadecimal digits, by the form
	return fmt.Sprintf("%s-%s-%s-%02x", versionOurs, m[2], m[3], flags&flagSampled)
}

// TraceID is the trace that a traceparent of version 00 belongs to, for logs. It is empty for text
// that is no traceparent.
func TraceID(given string) string {
	if m := traceparentForm.FindStringSubmatch(given); m != nil {
		return m[2]
	}
	return ""
}

func renew() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error since Go 1.24
	return fmt.Sprintf("%s-%x-%x-%02x", versionOurs, b[:16], b[16:], flagSampled)
}
