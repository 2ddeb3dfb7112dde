package dbtx

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Work is a kind of work that has connections of its own, so that one kind which waits, for a lock
// or for a slow server, does not hold up the others.
type Work struct {
	name      string
	connsMax  int
	lockWaits bool // a lock wait is run again; otherwise it is returned
	// Transactions at a time, the other connections are for reads; 0: as many as connections.
	turnsMax int
	turnWait time.Duration // how long a transaction waits for its turn at most; 0: as long as its context
}

// The kinds of work of a service, with their shares of its connections.
var (
	// Requests is what clients ask over HTTP. A lock wait is answered at once: the client decides
	// whether to wait longer. Nor does a request wait long for its turn behind requests that wait
	// for a lock.
	Requests = Work{name: "requests", connsMax: 10, turnsMax: 8, turnWait: 2 * time.Second}
	// Consumers is the batches that come from the broker: one connection for each queue of both
	// topics that payment-service reads.
	Consumers = Work{name: "consumers", connsMax: 12, lockWaits: true}
	// Relay is the outbox: its lanes share four connections, and the relay itself, with its lease,
	// has the fifth.
	Relay = Work{name: "relay", connsMax: 5, lockWaits: true}
	// Background is the journal, the notices, the messages that wait, and the instructions that are
	// sent again.
	Background = Work{name: "background", connsMax: 4, lockWaits: true}
	// Probes is the readiness check and the queries of the metrics.
	Probes = Work{name: "probes", connsMax: 2}

	everything = Work{name: "everything", connsMax: 16, lockWaits: true}
)

// Pools are the pools of a service, each under the work that it is for.
type Pools map[Work]*Pool

// OpenPools prepares one pool for each kind of work and registers their metrics. Like Open it does
// not connect.
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

// For returns the pool of a kind of work. It panics when OpenPools did not open one: nil would fail
// at the first query only.
func (p Pools) For(work Work) *Pool {
	pool := p[work]
	if pool == nil {
		panic("no pool was opened for " + work.name)
	}
	return pool
}

// Close closes all pools.
func (p Pools) Close() {
	for _, pool := range p {
		pool.Close()
	}
}
