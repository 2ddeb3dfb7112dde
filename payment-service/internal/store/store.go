// Package store keeps the books. Each exported method is one transaction or one read.
//
// It has the SQL of settling and of points, apart from their rules: packages payment, points and
// fence do no I/O, so that they can be tested and read without a database. What has rows but no
// rules to keep pure owns its rows and its transactions where it is: journal and audit here, and in
// shared/ the outbox, parking, notices and idempotency keys.
package store

import (
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/outbox"
	"settlement/shared/parking"
)

// Store is the payments database. It is safe for concurrent use.
type Store struct {
	pool   *dbtx.Pool
	keeper *parking.Keeper
	topics outbox.Topics
	wake   func()
	now    func() time.Time
}

// New makes a store. keeper keeps the messages that cannot be done now. topics is the relay's. wake
// is called after every commit that added to the outbox.
func New(
	pool *dbtx.Pool, keeper *parking.Keeper, topics outbox.Topics, wake func(), now func() time.Time,
) *Store {
	// Microseconds are what DATETIME(6) keeps: the answer to a POST and a later GET agree.
	micros := func() time.Time { return now().UTC().Truncate(time.Microsecond) }
	return &Store{pool: pool, keeper: keeper, topics: topics, wake: wake, now: micros}
}
