// Package web is the HTTP edge of both services: the engine and server with their limits,
// strict reading of a request, problems (RFC 9457) and the health calls. It knows no route
// and no rule of either service.
package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
)

// The codes of the problems that both services answer; stable, for programs. Each service's
// OpenAPI lists them beside its own.
const (
	CodeBodyIncomplete       = "body_incomplete"
	CodeBodyTooLarge         = "body_too_large"
	CodeInternal             = "internal"
	CodeInvalidAmount        = "invalid_amount"
	CodeInvalidCursor        = "invalid_cursor"
	CodeInvalidField         = "invalid_field"
	CodeInvalidID            = "invalid_id"
	CodeInvalidParameter     = "invalid_parameter"
	CodeKeyInFlight          = "idempotency_key_in_flight"
	CodeKeyInvalid           = "idempotency_key_invalid"
	CodeKeyMissing           = "idempotency_key_missing"
	CodeKeyReused            = "idempotency_key_reused"
	CodeMalformedJSON        = "malformed_json"
	CodeMethodNotAllowed     = "method_not_allowed"
	CodeMissingField         = "missing_field"
	CodeNotFound             = "not_found"
	CodeOutcomeUnknown       = "outcome_unknown"
	CodeUnavailable          = "unavailable"
	CodeUnknownField         = "unknown_field"
	CodeUnsupportedCurrency  = "unsupported_currency"
	CodeUnsupportedMediaType = "unsupported_media_type"
)

// Codes lists the codes above; a test of each service looks for them in its OpenAPI.
func Codes() []string {
	return []string{
		CodeBodyIncomplete, CodeBodyTooLarge, CodeInternal, CodeInvalidAmount, CodeInvalidCursor,
		CodeInvalidField,
		CodeInvalidID, CodeInvalidParameter, CodeKeyInFlight, CodeKeyInvalid, CodeKeyMissing, CodeKeyReused,
		CodeMalformedJSON, CodeMethodNotAllowed, CodeMissingField, CodeNotFound, CodeOutcomeUnknown,
		CodeUnavailable,
		CodeUnknownField, CodeUnsupportedCurrency, CodeUnsupportedMediaType,
	}
}

// retryAfterSeconds is how long a client is asked to wait where trying again can help.
const retryAfterSeconds = 1

// Problem is an error as a client gets it, in application/problem+json.
type Problem struct {
	Type   string       `json:"type"`  // always about:blank: Code says which problem it is
	Title  string       `json:"title"` // the status in words
	Status int          `json:"status"`
	Detail string       `json:"detail"` // what was wrong and what to do, for people
	Code   string       `json:"code"`   // stable, for programs
	Errors []FieldError `json:"errors,omitempty"`

	retry bool  // asks the client to send the same request again
	cause error // for the log, never for the client
}

// NewProblem makes a problem with an HTTP status of 400 or more.
func NewProblem(status int, code, detail string) *Problem {
	return &Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code,
	}
}

// NewRetryProblem makes a problem that asks the client, by Retry-After, to send the same
// request again.
func NewRetryProblem(status int, code, detail string) *Problem {
	p := NewProblem(status, code, detail)
	p.retry = true
	return p
}

// Because gives the problem the error behind it, which the log gets and the client does not.
func (p *Problem) Because(cause error) *Problem {
	p.cause = cause
	return p
}

func (p *Problem) Error() string {
	if p.cause != nil {
		return p.Code + ": " + p.cause.Error()
	}
	return p.Code + ": " + p.Detail
}

// Unwrap returns the error behind the problem, or nil.
func (p *Problem) Unwrap() error { return p.cause }

// Fail answers the request with the problem that err is: a *Problem itself, an error of
// shared/idempotency or shared/dbtx, or else 500 internal. The access log gets the cause of
// a status of 500 or more; the client never does.
func Fail(c *gin.Context, err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		_ = c.Error(err) // returns what it was given
	}

	body, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Errorf("encode problem %s: %w", p.Code, err)) // strings and integers always encode
	}

	if p.retry {
		c.Header("Retry-After", strconv.Itoa(retryAfterSeconds))
	}
	c.Abort()
	c.Data(p.Status, "application/problem+json", body)
}

func problemOf(err error) *Problem {
	var problem *Problem
	var refusal *idempotency.Refusal
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &refusal):
		return NewProblem(http.StatusConflict, refusal.Code, refusal.Detail)
	case errors.Is(err, idempotency.ErrKeyMissing):
		return NewProblem(http.StatusBadRequest, CodeKeyMissing, err.Error())
	case errors.Is(err, idempotency.ErrKeyInvalid):
		return NewProblem(http.StatusBadRequest, CodeKeyInvalid, err.Error())
	case errors.Is(err, idempotency.ErrKeyReused):
		return NewProblem(http.StatusUnprocessableEntity, CodeKeyReused, err.Error())
	case errors.Is(err, idempotency.ErrInFlight):
		return NewRetryProblem(http.StatusConflict, CodeKeyInFlight, err.Error())
	case errors.Is(err, dbtx.ErrCommitUnknown): // before IsTransient, which it is too
		return NewRetryProblem(http.StatusServiceUnavailable, CodeOutcomeUnknown,
			"it is not known whether the change was made: send the same request with the same Idempotency-Key again")
	case dbtx.IsTransient(err):
		return NewRetryProblem(http.StatusServiceUnavailable, CodeUnavailable,
			"the service cannot do this now: send the same request again, a POST with the same Idempotency-Key")
	}

	return NewProblem(http.StatusInternalServerError, CodeInternal,
		"the service failed: its log says why, under the trace id of the traceparent header")
}
