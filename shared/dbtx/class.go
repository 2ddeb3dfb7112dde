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
	// Other is nil, or an error that is not the database's: the program's own, or a row that is not there.
	Other Class = iota
	// Conflict is a rival that was first: the transaction was, or has to be, rolled back, and succeeds when it runs again.
	Conflict
	// Transient is a server that is away, full, busy, read-only or failing over: the same request succeeds later.
	Transient
	// Refused is a value that the schema does not take: the same request fails for ever, and others succeed.
	Refused
	// Systemic is a schema, a right or a statement that is wrong: every request of its kind fails until somebody mends it.
	Systemic
	// Unclassified is a number that the table below does not have: nothing is known of it.
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
	case errors.Is(err, mysql.ErrPktTooLarge): // the driver refuses what is larger than its max_allowed_packet
		return Refused
	case isAway(err):
		return Transient
	case isLogin(err):
		return Systemic
	}
	return Other
}

// IsTransient reports whether err comes from rivals, or from the database being away or busy, and not from what it was
// asked: the same request can succeed later.
func IsTransient(err error) bool {
	class := Classify(err)
	return class == Conflict || class == Transient
}

// MayPass reports whether err can be over soon without anybody's doing. A service that meets such an error at its
// start waits; with any other, as a wrong password, it ends and says so.
func MayPass(err error) bool {
	return IsTransient(err) || Classify(err) == Unclassified
}

// isAway reports whether err is the connection's, and not the server's answer.
func isAway(err error) bool {
	var netErr net.Error
	for _, away := range []error{
		driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrPktSyncMul, mysql.ErrBusyBuffer,
		sql.ErrConnDone, sql.ErrTxDone, // the context's end has closed it
		context.DeadlineExceeded, context.Canceled, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, away) {
			return true
		}
	}
	return errors.As(err, &netErr)
}

// isLogin reports whether err is the driver not knowing how this server wants its users to log in.
func isLogin(err error) bool {
	for _, login := range []error{
		mysql.ErrNoTLS, mysql.ErrCleartextPassword, mysql.ErrNativePassword, mysql.ErrOldPassword, mysql.ErrUnknownPlugin, mysql.ErrOldProtocol,
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
		return Refused // a parameter that the driver sends by itself, because the statement would be too large with it
	}
	if class, known := classes[answer.Number]; known {
		return class
	}
	return Unclassified
}

// rolledBackByGroup reports whether 1180 says that InnoDB has rolled the transaction back for one that another member
// of the group committed: handler error 149, HA_ERR_LOCK_DEADLOCK. COMMIT and UPDATE can be answered by it. With any
// other handler error, 1180 says that COMMIT failed and not what became of the transaction.
func rolledBackByGroup(answer *mysql.MySQLError) bool {
	return answer.Number == errDuringCommit && strings.HasPrefix(answer.Message, "Got error 149 ")
}

// provesRollback reports whether an answer to COMMIT says for certain that nothing was committed. Nothing else does: MariaDB
// 10.11 answers 1317 and leaves the transaction open.
func provesRollback(err error) bool {
	var answer *mysql.MySQLError
	if !errors.As(err, &answer) {
		return false
	}
	return answer.Number == errDeadlock || answer.Number == errRolledBackAtCommit || rolledBackByGroup(answer)
}
