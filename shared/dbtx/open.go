// Package dbtx runs a function in one READ COMMITTED transaction, again when the
// database asks for it, and says of every error whether trying again can help.
package dbtx

import (
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"
)

// Limits of a connection. A silent server must not hold a caller for ever, so nothing
// here is unlimited.
const (
	dialTimeout     = 3 * time.Second
	readTimeout     = 10 * time.Second
	writeTimeout    = 10 * time.Second
	connLifetimeMax = 5 * time.Minute
	connsMax        = 16

	// lockWaitSeconds is InnoDB's lock wait, the shortest it takes. The default of 50 s
	// would hold a request far longer than its caller waits.
	lockWaitSeconds = "1"

	// idleTransactionSeconds is how long the server keeps a silent session, and with it the
	// locks of its transaction. A process that is frozen or cut off cannot end it itself,
	// and the default is 8 hours. It is above transactionTimeout.
	idleTransactionSeconds = "15"
	// connIdleMax is below it, so that the pool never hands out a connection that the server ends.
	connIdleMax = 10 * time.Second
)

// Config names a MySQL-compatible database and who asks.
type Config struct {
	Addr     string // host:port
	Name     string
	User     string
	Password string
}

// Open prepares a pool and registers its metrics; it does not connect, so it succeeds
// while the database is away. Ping tells whether it answers.
func Open(cfg Config, metrics prometheus.Registerer) (*Pool, error) {
	connector, err := mysql.NewConnector(driverConfig(cfg))
	if err != nil {
		return nil, fmt.Errorf("database %s at %s: %w", cfg.Name, cfg.Addr, err)
	}
	return newPool(connector, metrics)
}

func driverConfig(cfg Config) *mysql.Config {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName, c.User, c.Passwd = "tcp", cfg.Addr, cfg.Name, cfg.User, cfg.Password
	c.Timeout, c.ReadTimeout, c.WriteTimeout = dialTimeout, readTimeout, writeTimeout
	c.ParseTime, c.Loc = true, time.UTC
	c.InterpolateParams = true // one round trip a statement instead of three
	c.ClientFoundRows = true   // RowsAffected counts the rows that a WHERE met, also those that an UPDATE left as they were
	c.RejectReadOnly = true    // after a failover the old primary must not keep the connection
	c.Logger = &mysql.NopLogger{}
	c.Params = map[string]string{
		"innodb_lock_wait_timeout": lockWaitSeconds,
		"wait_timeout":             idleTransactionSeconds,
		"time_zone":                "'+00:00'",
		"sql_mode":                 "'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
	}
	return c
}
