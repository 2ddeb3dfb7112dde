package dbtx

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Work is a kind of work that has connections of its own, so that one kind which waits, for a lock or for a slow server,
// does not hold up the others.
type Work struct {
	name      string
	connsMax  int
	lockWaits bool          // a lock wait is run again; else it is the answer
	turnsMax  int           // transactions at a time, the rest of the connections is for reads; 0: as many as connections
	turnWait  time.Duration // that a transaction waits for its turn at most; 0: as long as its context
}

// The kinds of work of a service, with their shares of its connections.
var (
	// Requests is what clients ask over HTTP. A lock wait is answered at once: who asks decides whether to wait longer.
	// Nor does it wait long behind others who wait for a lock.
	Requests = Work{name: "requests", connsMax: 10, turnsMax: 8, turnWait: 2 * time.Second}
	// Consumers is what comes from the broker: one connection for each queue of both topics that payment-service reads.
	Consumers = Work{name: "consumers", connsMax: 12, lockWaits: true}
	// Relay is the outbox, whose lanes share four, and its lease.
	Relay = Work{name: "relay", connsMax: 5, lockWaits: true}
	// Background is the journal, the notices, what waits and what is asked for again.
	Background = Work{name: "background", connsMax: 4, lockWaits: true}
	// Probes is readiness and what the metrics read.
	Probes = Work{name: "probes", connsMax: 2}

	everything = Work{name: "everything", connsMax: 16, lockWaits: true}
)

// Pools are the pools of a service, by the work that each is for.
type Pools map[Work]*Pool

// OpenPools prepares one pool for each kind of work and registers their metrics. Like Open it does not connect.
func OpenPools(cfg Config, metrics prometheus.Registerer, works ...Work) (Pools, error) {
	pools := Pools{}
	for _, work := range works {
		pool, err := open(cfg, work, metrics)
		if err != nil {
			pools.Close()
			return nil, err
		}
		pools[work] = pool
	}
	return pools, nil
}

// For is the pool of a kind of work. It panics when OpenPools was not told of it: nil would fail at the first query.
func (p Pools) For(work Work) *Pool {
	pool := p[work]
	if pool == nil {
		panic("no pool was opened for " + work.name)
	}
	return pool
}

// Close closes them all.
func (p Pools) Close() {
	for _, pool := range p {
		pool.Close()
	}
}
