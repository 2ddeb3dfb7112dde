// Package operator carries out what an operator decides about the messages that package parking
// keeps. It stands above both what is kept and what the messages mean: it locks the message, has
// the topic's Resolver do or give up what the message asks, and writes down who decided what, in
// one transaction. HTTP calls and the command line are thin layers above it.
package operator

import (
	"settlement/shared/dbtx"
	"settlement/shared/parking"
)

// Decisions carries out decisions about the kept messages of one database. It is safe for
// concurrent use.
type Decisions struct {
	pool      *dbtx.Pool
	keeper    *parking.Keeper
	lot       *parking.Lot
	resolvers parking.Resolvers
}

// New makes the decisions about the messages in lot. resolvers has one for each of their topics.
func New(pool *dbtx.Pool, keeper *parking.Keeper, lot *parking.Lot, resolvers parking.Resolvers) *Decisions {
	return &Decisions{pool: pool, keeper: keeper, lot: lot, resolvers: resolvers}
}

const (
	// NameMaxLength is the longest name of an operator, in characters.
	NameMaxLength   = 128
	unnamedOperator = "not named"
)

// Decision is who decides about a kept message, and why.
type Decision struct {
	Operator string // empty: not named
	Reason   string
	// CloseGap says that what the message waits for will never come: its sequence goes on without
	// it.
	CloseGap bool
}
