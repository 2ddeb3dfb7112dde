package faults

import (
	"strings"
	"sync/atomic"
	"time"
)

// SQLMoment is when a rule acts.
type SQLMoment int

// The moments.
const (
	// A statement has arrived that contains Touching, and has not gone on to the server.
	AtStatement SQLMoment = iota
	// COMMIT of a transaction that has touched it has arrived, and has not gone on
	BeforeCommit
	AfterCommit // the server has committed such a transaction, and the client does not know
)

// SQLEffect is what a rule does.
type SQLEffect int

// The effects.
const (
	Let  SQLEffect = iota // nothing but Then
	Cut                   // the connections to client and server are reset; what is held is lost
	Hold                  // what is held goes on after For
	// The server never gets it, and Answer is what the client is told; not at AfterCommit.
	Refuse
)

// SQLAnswer is an error as a server answers it.
type SQLAnswer struct {
	Number uint16
	State  string // SQLSTATE, five characters
	Text   string
}

// SQLRule picks statements and transactions by what they say.
type SQLRule struct {
	// Touching is a text that a statement contains, whatever its case; empty: any.
	Touching string
	// Also is a text that the same or an earlier statement of the transaction contains. It tells
	// apart transactions that touch the same table, each beside others. Empty: any.
	Also string
	At   SQLMoment
	// The first Skip matches pass, then every Every-th (0 and 1: each) fires, at most Limit times
	// (0: no limit).
	Skip, Every, Limit int
	Do                 SQLEffect
	For                time.Duration // of Hold
	Answer             SQLAnswer     // of Refuse
	// Then is called when the rule fires, while the packet is held; nil: nothing.
	Then func()

	firing
	refused atomic.Int64
}

// Refused is how many of the held statements the server has not carried out: it answered with an
// error, or the connection ended before it answered.
func (r *SQLRule) Refused() int64 { return r.refused.Load() }

// matches takes as text the statement, or at the other moments the whole transaction, and as
// transaction what the transaction has said so far.
func (r *SQLRule) matches(at SQLMoment, text, transaction string) bool {
	return r.At == at && strings.Contains(text, strings.ToLower(r.Touching)) &&
		(r.Also == "" || strings.Contains(transaction, strings.ToLower(r.Also)))
}
