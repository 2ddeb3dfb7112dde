package dbtx

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Pool hands out transactions. Make it with Open or OpenPools; it is safe for concurrent use.
type Pool struct {
	db      *gorm.DB
	work    Work
	turns   chan struct{} // one for each transaction under way; nil: no limit but the connections
	seconds *prometheus.HistogramVec
	retries *prometheus.CounterVec
}

func newPool(sqlDB *sql.DB, work Work, metrics prometheus.Registerer) (*Pool, error) {
	db, err := gorm.Open(gormmysql.New(gormmysql.Config{
		Conn:                      sqlDB,
		SkipInitializeWithVersion: true, // initializing asks the server at once, which may be away
	}), &gorm.Config{
		SkipDefaultTransaction: true, // every write is in Run's transaction already
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard, // errors are returned, and logged once by their handler
	})
	if err != nil {
		return nil, fmt.Errorf("gorm: %w", err)
	}

	p := &Pool{
		db:   db,
		work: work,
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "db_transaction_seconds",
			Help:    "Time of one transaction from begin to commit or rollback, retries apart.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"result"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "db_transaction_retries_total",
			Help: "Transactions rolled back and run again, by cause.",
		}, []string{"cause"}),
	}

	if work.turnsMax > 0 {
		p.turns = make(chan struct{}, work.turnsMax)
	}
	metrics.MustRegister(p.seconds, p.retries)
	return p, nil
}

func newErrorsCount() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "db_errors_total",
		Help: "Errors that the database server answered, by class and error number.",
	}, []string{"class", "number"})
}

// Read gives the pool for single reading statements outside a transaction.
func (p *Pool) Read(ctx context.Context) *gorm.DB {
	return p.db.WithContext(ctx)
}

// Writable returns nil when table, which has a column id, can be written. A ping does not show it:
// a server that is read-only, or a Galera node without a quorum, answers a ping and a SELECT
// without a table.
func (p *Pool) Writable(ctx context.Context, table string) error {
	err := p.Run(ctx, func(tx Tx) error {
		// No row has it: nothing is locked or changed.
		return tx.DB().Exec("UPDATE " + table + " SET id = id WHERE id = 0").Error
	})
	if err != nil {
		return fmt.Errorf("table %s cannot be written: %w", table, err)
	}
	return nil
}

// Close waits for queries under way and closes the connections. It is no error that the server has
// closed one of them already: no transaction was open on it.
func (p *Pool) Close() {
	if sqlDB, err := p.SQL(); err == nil {
		_ = sqlDB.Close()
	}
}

// SQL returns the database/sql pool below.
func (p *Pool) SQL() (*sql.DB, error) { return p.db.DB() }
