package web

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"settlement/shared/money"
)

// Limits of a page, in items.
const (
	LimitDefault = 20
	LimitMax     = 100
)

// FieldError says what is wrong with one field of a body or one parameter.
type FieldError struct {
	Field  string `json:"field"` // path in the body ("amount.minor") or name of the parameter
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Invalid gathers the checks of a request: nil when all of them are nil, else a problem with
// status 400 that lists the others and takes code and detail from the first.
func Invalid(checks ...*FieldError) error {
	var found []FieldError
	for _, f := range checks {
		if f != nil {
			found = append(found, *f)
		}
	}
	if len(found) == 0 {
		return nil
	}

	p := NewProblem(http.StatusBadRequest, found[0].Code, found[0].Detail)
	p.Errors = found
	return p
}

// CheckID wants a UUID in its canonical form, which is in lower case: the same one in capitals
// would be another key to a column that compares bytes and to the hash that chooses the queue.
func CheckID(field, value string) *FieldError {
	if id, err := uuid.Parse(value); err == nil && id.String() == value {
		return nil
	}
	return &FieldError{
		field, CodeInvalidID, fmt.Sprintf("%s is %s, must be a UUID in lower case", field, quote(value)),
	}
}

// CheckCursorID wants a cursor of a list whose cursors are ids.
func CheckCursorID(cursor string) *FieldError {
	if CheckID("cursor", cursor) == nil {
		return nil
	}
	return invalidCursor(cursor)
}

// cursorNumberForm matches any id that a table will ever give out, in one spelling only: neither
// 007 nor +7.
var cursorNumberForm = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)

// CursorNumber reads a cursor of a list whose cursors are numbers: the number of the last item of
// the page before. 0 stands for an absent one, with which the list begins.
func CursorNumber(cursor string) (int64, *FieldError) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || !cursorNumberForm.MatchString(cursor) {
		return 0, invalidCursor(cursor)
	}
	return n, nil
}

func invalidCursor(cursor string) *FieldError {
	return &FieldError{
		"cursor", CodeInvalidCursor, fmt.Sprintf("cursor is %s, must be the next_cursor of a page",
			quote(cursor)),
	}
}

// CheckAmount wants a supported currency and an amount that can be paid.
func CheckAmount(field string, m money.Money) *FieldError {
	err := m.ValidatePayable()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, money.ErrUnsupportedCurrency):
		return CheckCurrency(field+".currency", m.Currency)
	}
	return &FieldError{field + ".minor", CodeInvalidAmount, field + ".minor: " + err.Error()}
}

// CheckCurrency wants a supported currency.
func CheckCurrency(field string, c money.Currency) *FieldError {
	if c.Validate() == nil {
		return nil
	}
	return &FieldError{
		field, CodeUnsupportedCurrency,
		fmt.Sprintf("%s is %s, must be one of %v", field, quote(string(c)), money.Currencies()),
	}
}

// CheckText wants lengthMin to lengthMax characters (Unicode code points), none of them a
// control character: the text ends up in logs, consoles and notifications.
func CheckText(field, value string, lengthMin, lengthMax int) *FieldError {
	if n := utf8.RuneCountInString(value); n < lengthMin || n > lengthMax {
		return &FieldError{
			field, CodeInvalidField, fmt.Sprintf("%s has %d characters, must have %d to %d", field, n,
				lengthMin, lengthMax),
		}
	}
	for _, r := range value {
		if unicode.IsControl(r) {
			return &FieldError{
				field, CodeInvalidField, fmt.Sprintf("%s has the control character %U, must have none", field,
					r),
			}
		}
	}
	return nil
}

// CheckLimit wants a page size from 1 to LimitMax; nil is absent.
func CheckLimit(limit *int) *FieldError {
	if limit == nil || (*limit >= 1 && *limit <= LimitMax) {
		return nil
	}
	return &FieldError{
		"limit", CodeInvalidParameter, fmt.Sprintf("limit is %d, must be 1 to %d", *limit, LimitMax),
	}
}

// LimitOr is the page size asked for, or LimitDefault.
func LimitOr(limit *int) int {
	if limit == nil {
		return LimitDefault
	}
	return *limit
}

// shownMax is how many bytes of a client's value a problem repeats: it must not grow with
// what was sent.
const shownMax = 64

func shorten(value string) string {
	if len(value) > shownMax {
		return strings.ToValidUTF8(value[:shownMax], "") + "…"
	}
	return value
}

func quote(value string) string { return strconv.Quote(shorten(value)) }
