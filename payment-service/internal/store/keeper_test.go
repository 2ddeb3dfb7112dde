package store_test

import (
	"log/slog"
	"time"

	"settlement/e2e/stack/testdb"
	"settlement/payment-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/notify"
	"settlement/shared/operator"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

var quiet = slog.New(slog.DiscardHandler)

// keeper makes a keeper whose operators are told on the log.
func keeper(pool *dbtx.Pool) *parking.Keeper {
	return parking.NewKeeper(notify.NewTeller(pool, quiet, notify.Log{Logger: quiet}), time.Now)
}

// newStore makes a store, as a further process would.
func newStore(pool *dbtx.Pool) *store.Store {
	return store.New(pool, keeper(pool), testdb.Topics, func() {}, time.Now)
}

func newLot(pool *dbtx.Pool) *parking.Lot { return parking.NewLot(pool, keeper(pool)) }

func resolvers(s *store.Store) parking.Resolvers {
	return parking.Resolvers{
		settlement.TopicSettlement: s.Instructions(), settlement.TopicPoints: s.PointsChanges(),
	}
}

// newDecisions makes the decisions about the messages that a store keeps.
func newDecisions(pool *dbtx.Pool, s *store.Store) *operator.Decisions {
	return operator.New(pool, keeper(pool), newLot(pool), resolvers(s))
}
