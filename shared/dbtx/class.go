package dbtx

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Class says what kind of failure an error is, and so what can be done about it.
type Class int

// The classes.
const (
	// Other is nil, or an error that is not the database's: one of the program's own, or a row that
	// is not there.
	Other Class = iota
	// Conflict means that a rival was first. The transaction was rolled back, or has to be, and
	// succeeds when it runs again.
	Conflict
	// Transient means that the server is away, full, busy, read-only or failing over. The same
	// request succeeds later.
	Transient
	// Refused means that the schema does not take a value. The same request fails for ever, and
	// others succeed.
	Refused
	// Systemic means that a schema, a right or a statement is wrong. Every request of its kind
	// fails until that is mended.
	Systemic
	// Unclassified means that the table classes does not have the error's number: nothing is known
	// of it.
	Unclassified
)

// String is the class as a label.
func (c Class) String() string {
	return [...]string{"other", "conflict", "transient", "refused", "systemic", "unclassified"}[c]
}

// Classify says what kind of failure err is.
func Classify(err error) Class {
	var own *ownDuplicateError
	var a *again
	var answer *mysql.MySQLError

	switch {
	case errors.As(err, &own):
		return Refused
	case errors.Is(err, ErrCommitUnknown): // whatever the answer to COMMIT was
		return Transient
	case errors.As(err, &a):
		return Conflict
	case errors.As(err, &answer):
		return classOf(answer)
	// The driver refuses what is larger than its max_allowed_packet.
	case errors.Is(err, mysql.ErrPktTooLarge):
		return Refused
	case isAway(err):
		return Transient
	case isLogin(err):
		return Systemic
	}
	return Other
}

// IsTransient reports whether err comes from rivals, or from the database being away or busy, and
// not from the request itself: the same request can succeed later.
func IsTransient(err error) bool {
	class := Classify(err)
	return class == Conflict || class == Transient
}

// MayPass reports whether the cause of err may pass soon by itself. A service that meets such an
// error at its start waits. With any other error, such as a wrong password, it ends and says so.
func MayPass(err error) bool {
	return IsTransient(err) || Classify(err) == Unclassified
}

// isAway reports whether err comes from the connection and is not an answer of the server.
func isAway(err error) bool {
	var netErr net.Error
	for _, away := range []error{
		driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrPktSyncMul,
		mysql.ErrBusyBuffer,
		sql.ErrConnDone, sql.ErrTxDone, // the end of the context has closed the connection or the transaction
		context.DeadlineExceeded, context.Canceled, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, away) {
			return true
		}
	}
	return errors.As(err, &netErr)
}

// isLogin reports whether err says that the driver does not know how this server wants its users to
// log in.
func isLogin(err error) bool {
	for _, login := range []error{
		mysql.ErrNoTLS, mysql.ErrCleartextPassword, mysql.ErrNativePassword, mysql.ErrOldPassword,
		mysql.ErrUnknownPlugin, mysql.ErrOldProtocol,
	} {
		if errors.Is(err, login) {
			return true
		}
	}
	return false
}

func classOf(answer *mysql.MySQLError) Class {
	if rolledBackByGroup(answer) {
		return Conflict
	}
	if answer.Number == errUnknown && strings.Contains(answer.Message, "max_allowed_packet") {
		// For a parameter that the driver sends in a packet of its own, because it would make the
		// statement too large.
		return Refused
	}
	if class, known := classes[answer.Number]; known {
		return class
	}
	return Unclassified
}

// rolledBackByGroup reports whether 1180 says that InnoDB has rolled the transaction back in favour
// of one that another member of the group committed: handler error 149, HA_ERR_LOCK_DEADLOCK. The
// server can answer COMMIT and UPDATE with it. With any other handler error, 1180 says that COMMIT
// failed, and not what became of the transaction.
func rolledBackByGroup(answer *mysql.MySQLError) bool {
	return answer.Number == errDuringCommit && strings.HasPrefix(answer.Message, "Got error 149 ")
}

// provesRollback reports whether an answer to COMMIT says for certain that nothing was committed.
// No other answer says so: MariaDB 10.11 answers 1317 and leaves the transaction open.
func provesRollback(err error) bool {
	var answer *mysql.MySQLError
	if !errors.As(err, &answer) {
		return false
	}
	return answer.Number == errDeadlock || answer.Number == errRolledBackAtCommit || rolledBackByGroup(answer)
}
