package dbtx

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"
)

// mysqlConn is what the driver's connections can do.
type mysqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// connector opens connections whose session is set up. They leave the pool when a transaction may
// be open on them.
type connector struct {
	driver.Connector

	errors *prometheus.CounterVec // by class and number
}

// Connect opens one connection.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		c.count(err)
		return nil, err
	}
	inner, able := opened.(mysqlConn)
	if !able {
		return nil, errors.Join(fmt.Errorf("the driver's %T lacks what a transaction needs", opened),
			opened.Close())
	}

	if err := setUp(ctx, inner); err != nil {
		c.count(err)
		return nil, errors.Join(fmt.Errorf("set up the session: %w", err), inner.Close())
	}
	return &conn{mysqlConn: inner, count: c.count}, nil
}

// count counts the errors that the server answers.
func (c connector) count(err error) {
	var answer *mysql.MySQLError
	if c.errors != nil && errors.As(err, &answer) {
		c.errors.WithLabelValues(classOf(answer).String(), strconv.Itoa(int(answer.Number))).Inc()
	}
}

// conn is a connection that is closed, and not used again, after one of two events:
//
//   - BEGIN, COMMIT or ROLLBACK failed on it. The server may have left the transaction open, and
//     the next BEGIN on the connection would commit it.
//   - The server answered with an error of elsewhere, so that another server has to be asked.
type conn struct {
	mysqlConn

	count  func(error)
	broken bool // database/sql lets one goroutine at a time use a connection
}

// IsValid says whether the pool may keep the connection.
func (c *conn) IsValid() bool { return !c.broken && c.mysqlConn.IsValid() }

// BeginTx begins a transaction.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.mysqlConn.BeginTx(ctx, opts)
	if err := c.ended(err); err != nil {
		return nil, err
	}
	return connTx{tx, c}, nil
}

// ExecContext executes a statement without a result.
func (c *conn) ExecContext(
	ctx context.Context, query string, args []driver.NamedValue,
) (driver.Result, error) {
	result, err := c.mysqlConn.ExecContext(ctx, query, args)
	return result, c.seen(err)
}

// QueryContext executes a statement with a result.
func (c *conn) QueryContext(
	ctx context.Context, query string, args []driver.NamedValue,
) (driver.Rows, error) {
	rows, err := c.mysqlConn.QueryContext(ctx, query, args)
	return rows, c.seen(err)
}

// seen takes note of what the server answered.
func (c *conn) seen(err error) error {
	if err == nil {
		return nil
	}
	c.count(err)
	if elsewhere[number(err)] {
		c.broken = true
	}
	return err
}

// ended takes note of how BEGIN, COMMIT or ROLLBACK went.
func (c *conn) ended(err error) error {
	if err != nil {
		c.broken = true
	}
	return c.seen(err)
}

// connTx is a transaction on a conn.
type connTx struct {
	driver.Tx

	conn *conn
}

// Commit commits the transaction.
func (t connTx) Commit() error { return t.conn.ended(t.Tx.Commit()) }

// Rollback rolls the transaction back.
func (t connTx) Rollback() error { return t.conn.ended(t.Tx.Rollback()) }
