package dbtx

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Pool hands out transactions. Make it with Open; it is safe for concurrent use.
type Pool struct {
	db      *gorm.DB
	seconds *prometheus.HistogramVec
	retries *prometheus.CounterVec
}

func newPool(connector driver.Connector, metrics prometheus.Registerer) (*Pool, error) {
	sqlDB := sql.OpenDB(connector)
	sqlDB.SetMaxOpenConns(connsMax)
	sqlDB.SetMaxIdleConns(connsMax)
	sqlDB.SetConnMaxLifetime(connLifetimeMax)
	sqlDB.SetConnMaxIdleTime(connIdleMax)
	db, err := gorm.Open(gormmysql.New(gormmysql.Config{
		Conn:                      sqlDB,
		SkipInitializeWithVersion: true, // it would ask the server now, which may be away
	}), &gorm.Config{
		SkipDefaultTransaction: true, // every write is in Run's transaction already
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard, // errors are returned, and logged once by who handles them
	})
	if err != nil {
		return nil, fmt.Errorf("gorm: %w", err)
	}
	p := &Pool{
		db: db,
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
	metrics.MustRegister(p.seconds, p.retries)
	return p, nil
}

// Read gives the pool for single reading statements outside a transaction.
func (p *Pool) Read(ctx context.Context) *gorm.DB {
	return p.db.WithContext(ctx)
}

// Ping returns nil when the database answers a query.
func (p *Pool) Ping(ctx context.Context) error {
	sqlDB, err := p.SQL()
	if err != nil {
		return err
	}
	if err := sqlDB.PingContext(ctx); err != nil {
		return fmt.Errorf("database does not answer: %w", err)
	}
	return nil
}

// Close waits for queries under way and closes the connections. That the server had left one of them already is
// no error: no transaction was open on it.
func (p *Pool) Close() {
	if sqlDB, err := p.SQL(); err == nil {
		_ = sqlDB.Close()
	}
}

// SQL gives the connections below, for migrations.
func (p *Pool) SQL() (*sql.DB, error) { return p.db.DB() }
