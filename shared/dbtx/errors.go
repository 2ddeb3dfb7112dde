package dbtx

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/go-sql-driver/mysql"
)

// ErrCommitUnknown means that the answer to COMMIT did not arrive: the transaction took
// effect or it did not. Only reading what it would have written tells.
var ErrCommitUnknown = errors.New("outcome of COMMIT is unknown")

// Server error numbers. Source: MySQL 8.4 error reference; the same in MariaDB 10.11.
const (
	errDuplicateKey = 1062
	errLockWait     = 1205
	errDeadlock     = 1213
)

// transientNumbers are the server being away, full, busy or slow.
var transientNumbers = []uint16{
	errLockWait, errDeadlock,
	1040, 1203, 1226, // too many connections: of the server, of a user, of an account's limit
	1053, 1079, 1927, 3169, // shut down, killed
	1290, 1792, 1836, // read only, as after a failover
	1021, 1114, 1041, 1037, // disk full, table full, out of memory
	1129, 1152, 1158, 1159, 1160, 1161, 1184, // connection blocked, aborted, or a packet lost on the way
	1180, 1206, // COMMIT failed, lock table full
	1317, 3024, 1969, 4031, // interrupted, statement or idle time-out
}

// again marks an error that another run of the whole transaction can cure.
type again struct {
	cause string
	err   error
}

func (a *again) Error() string { return a.err.Error() }
func (a *again) Unwrap() error { return a.err }

// Again wraps an error of a transaction function that asks Run to roll back and run it
// from the start, a bounded number of times. cause labels the retry in the metrics.
func Again(cause string, err error) error {
	return &again{cause: cause, err: err}
}

// IsDuplicateKey reports whether err is a violation of a unique index.
func IsDuplicateKey(err error) bool { return number(err) == errDuplicateKey }

// IsLockWait reports whether err is InnoDB giving up on a row lock. It rolls back the
// statement only: the transaction must not go on.
func IsLockWait(err error) bool { return number(err) == errLockWait }

// IsTransient reports whether err comes from the database being away, busy or slow, or
// from rivals (Again), and not from what it was asked: the same request can succeed later.
func IsTransient(err error) bool {
	var a *again
	if errors.As(err, &a) {
		return true
	}
	if slices.Contains(transientNumbers, number(err)) {
		return true
	}
	var netErr net.Error
	return errors.Is(err, ErrCommitUnknown) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &netErr)
}

// retryCause is why Run may run the transaction again, or "".
func retryCause(err error) string {
	var a *again
	if errors.As(err, &a) {
		return a.cause
	}
	switch number(err) {
	case errDeadlock:
		return "deadlock"
	case errLockWait:
		return "lock_wait"
	}
	return ""
}

func number(err error) uint16 {
	var m *mysql.MySQLError
	if errors.As(err, &m) {
		return m.Number
	}
	return 0
}
