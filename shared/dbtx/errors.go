package dbtx

import (
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// ErrCommitUnknown means that no answer to COMMIT arrived, or one that proves nothing. The
// transaction took effect or it did not: only a look for what it would have written shows which.
var ErrCommitUnknown = errors.New("outcome of COMMIT is unknown")

// again marks an error that another run of the whole transaction can cure.
type again struct {
	cause string
	err   error
}

func (a *again) Error() string { return a.err.Error() }
func (a *again) Unwrap() error { return a.err }

// Again wraps an error of a transaction function that asks Run to roll back and run it from the
// start, a bounded number of times. cause labels the retry in the metrics.
//
// Around a duplicate key, Again says that a rival may have been first: the next run finds the
// rival's row. When the next run meets the same key again, the key was not a rival's, and Run
// returns an error that no further run can cure.
func Again(cause string, err error) error {
	return &again{cause: cause, err: err}
}

// ownDuplicateError is a duplicate key that a later run met again: no rival's. It hides the mark of
// Again.
type ownDuplicateError struct {
	text   string
	answer *mysql.MySQLError
}

func (e *ownDuplicateError) Error() string { return e.text }
func (e *ownDuplicateError) Unwrap() error { return e.answer }

func newOwnDuplicate(err error, answer *mysql.MySQLError) error {
	return &ownDuplicateError{
		text:   fmt.Sprintf("the next run did not find whose key it is, and met it again: %v", err),
		answer: answer,
	}
}

// duplicateKey returns the server's answer when err is a duplicate key, else nil. The answer names
// the value and the index.
func duplicateKey(err error) *mysql.MySQLError {
	var answer *mysql.MySQLError
	if errors.As(err, &answer) && answer.Number == errDuplicateKey {
		return answer
	}
	return nil
}

// IsDuplicateKey reports whether err is a violation of a unique index.
func IsDuplicateKey(err error) bool { return duplicateKey(err) != nil }

// IsLockWait reports whether InnoDB gave up waiting for a row lock. It rolls back the statement
// only: the transaction must not go on.
func IsLockWait(err error) bool { return number(err) == errLockWait }

// number is the server's error number, 0 where the server did not answer.
func number(err error) uint16 {
	var answer *mysql.MySQLError
	if errors.As(err, &answer) {
		return answer.Number
	}
	return 0
}
