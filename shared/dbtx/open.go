// Package dbtx runs a function in one READ COMMITTED transaction, again when the
// database asks for it, and says of every error whether trying again can help.
package dbtx

import (
	"database/sql"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	dialTimeout     = 3 * time.Second
	writeTimeout    = 10 * time.Second
	connLifetimeMax = 5 * time.Minute

	// idleTransactionSeconds is how long the server keeps a silent session, and with it the locks
	// of its transaction. A process that is frozen or cut off cannot end the session itself, and
	// the server's default is 8 hours. The value is above transactionTimeout.
	idleTransactionSeconds = 15
	// connIdleMax is below idleTransactionSeconds, so that the pool never hands out a connection
	// that the server ends.
	connIdleMax = 10 * time.Second
)

// limits are the waits of a connection. A silent server must not hold a caller for ever, so nothing
// here is unlimited.
type limits struct {
	readTimeout  time.Duration // of an answer
	rowSeconds   int           // a row lock; InnoDB's default is 50 s
	tableSeconds int           // a metadata lock, as behind a DDL; MySQL's default is a year
}

var (
	// transactionLimits are far below what a caller waits. One second is the shortest lock wait
	// that InnoDB takes.
	transactionLimits = limits{readTimeout: 10 * time.Second, rowSeconds: 1, tableSeconds: 3}
	// migrationLimits let a DDL rebuild a grown table. While a DDL waits for its metadata lock,
	// every statement that comes to the table after it waits too. So that wait is bounded, by
	// several times what the transactions of a service can take.
	migrationLimits = limits{readTimeout: time.Hour, rowSeconds: 60, tableSeconds: 60}
)

// migrationConnsMax is how many connections goose takes: the session with the lock, and one beside
// it.
const migrationConnsMax = 2

// Config names a MySQL-compatible database and the user that asks it.
type Config struct {
	Addr     string // host:port
	Name     string
	User     string
	Password string
}

// Open prepares a pool for everything that a command or a test does, and registers its metrics. It
// does not connect, so it succeeds while the database is away.
func Open(cfg Config, metrics prometheus.Registerer) (*Pool, error) {
	return open(cfg, everything, metrics)
}

func open(cfg Config, work Work, metrics prometheus.Registerer) (*Pool, error) {
	metrics = prometheus.WrapRegistererWith(prometheus.Labels{"work": work.name}, metrics)
	errorsCount := newErrorsCount()
	metrics.MustRegister(errorsCount)
	db, err := openSQL(cfg, transactionLimits, work.connsMax, errorsCount)
	if err != nil {
		return nil, err
	}
	return newPool(db, work, metrics)
}

// OpenMigrations prepares connections whose limits let a migration of a grown table end. The caller
// closes them.
func OpenMigrations(cfg Config) (*sql.DB, error) {
	return openSQL(cfg, migrationLimits, migrationConnsMax, nil)
}

func openSQL(cfg Config, l limits, connsMax int, errorsCount *prometheus.CounterVec) (*sql.DB, error) {
	driverConnector, err := mysql.NewConnector(driverConfig(cfg, l))
	if err != nil {
		return nil, fmt.Errorf("database %s at %s: %w", cfg.Name, cfg.Addr, err)
	}
	db := sql.OpenDB(connector{driverConnector, errorsCount})
	db.SetMaxOpenConns(connsMax)
	db.SetMaxIdleConns(connsMax)
	db.SetConnMaxLifetime(connLifetimeMax)
	db.SetConnMaxIdleTime(connIdleMax)
	return db, nil
}

func driverConfig(cfg Config, l limits) *mysql.Config {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName, c.User, c.Passwd = "tcp", cfg.Addr, cfg.Name, cfg.User, cfg.Password
	c.Timeout, c.ReadTimeout, c.WriteTimeout = dialTimeout, l.readTimeout, writeTimeout
	c.ParseTime, c.Loc = true, time.UTC
	c.InterpolateParams = true // one round trip a statement instead of three
	// RowsAffected counts the rows that a WHERE met, also those that an UPDATE left as they were
	c.ClientFoundRows = true
	// 0 is the server's own: what is larger is refused here, where the server may only cut the
	// connection
	c.MaxAllowedPacket = 0
	c.Logger = &mysql.NopLogger{}
	c.Params = maps.Clone(session)
	c.Params["innodb_lock_wait_timeout"] = strconv.Itoa(l.rowSeconds)
	c.Params["lock_wait_timeout"] = strconv.Itoa(l.tableSeconds)
	c.Params["wait_timeout"] = strconv.Itoa(idleTransactionSeconds)
	return c
}
