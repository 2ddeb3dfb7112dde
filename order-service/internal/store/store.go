// Package store keeps orders. Each exported method is one transaction or one read, and
// this is the only package of the service that knows SQL.
package store

import (
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/outbox"
	"settlement/shared/parking"
)

// Store is the orders database. It is safe for concurrent use.
type Store struct {
	pool   *dbtx.Pool
	keeper *parking.Keeper
	topics outbox.Topics
	wake   func()
	now    func() time.Time
}

// New makes a store. keeper keeps the outcomes that cannot be applied now. topics are those of the
// relay. wake is called after every commit that added to the outbox.
func New(
	pool *dbtx.Pool, keeper *parking.Keeper, topics outbox.Topics, wake func(), now func() time.Time,
) *Store {
	// Microseconds are what DATETIME(6) keeps: the answer to a POST and a later GET agree.
	micros := func() time.Time { return now().UTC().Truncate(time.Microsecond) }
	return &Store{pool: pool, keeper: keeper, topics: topics, wake: wake, now: micros}
}
