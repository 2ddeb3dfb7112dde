// Package checker reads both databases from outside and says whether the promises hold.
// It is meant for a quiet system: nothing under way, every message consumed.
package checker

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	_ "github.com/go-sql-driver/mysql" // the driver that the DSNs are for
)

// Invariant names a promise.
type Invariant string

// The invariants.
const (
	Money  Invariant = "M" // entries sum to zero, wallets are the sum of their entries and not negative
	Double Invariant = "D" // at most one debit per payment number, one success per order at a time
	Lost   Invariant = "L" // every accepted instruction has ended, nothing waits in an outbox
	Order  Invariant = "O" // per order, effects in sequence without a gap
	All    Invariant = "A" // payment number, entries, outcome and order status: all or none
)

// Violation is one thing that must not be: which promise, and the rows that show it.
type Violation struct {
	Invariant Invariant
	What      string
	Row       string // column=value of the offending row
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s: %s", v.Invariant, v.What, v.Row)
}

// rule is a query whose every row is a violation.
type rule struct {
	invariant Invariant
	what      string
	query     string
}

// Checker reads the two databases.
type Checker struct {
	orders   *sql.DB
	payments *sql.DB
}

// Open takes DSNs in go-sql-driver form that may read every table.
func Open(orderDSN, paymentDSN string) (*Checker, error) {
	orders, err := sql.Open("mysql", orderDSN)
	if err != nil {
		return nil, fmt.Errorf("orders database: %w", err)
	}
	payments, err := sql.Open("mysql", paymentDSN)
	if err != nil {
		return nil, fmt.Errorf("payments database: %w", err)
	}
	return &Checker{orders: orders, payments: payments}, nil
}

// Close closes the connections.
func (c *Checker) Close() error {
	if err := c.orders.Close(); err != nil {
		return err
	}
	return c.payments.Close()
}

// Check returns every violation; none means that the promises hold. An error means that
// it could not look.
func (c *Checker) Check(ctx context.Context) ([]Violation, error) {
	var found []Violation
	for _, part := range []struct {
		db    *sql.DB
		rules []rule
	}{{c.payments, paymentRules}, {c.orders, orderRules}} {
		for _, r := range part.rules {
			rows, err := list(ctx, part.db, r.query)
			if err != nil {
				return nil, fmt.Errorf("check %s (%s): %w", r.invariant, r.what, err)
			}
			for _, row := range rows {
				found = append(found, Violation{r.invariant, r.what, row})
			}
		}
	}
	across, err := c.checkAcross(ctx)
	if err != nil {
		return nil, err
	}
	return append(found, across...), nil
}

// list returns each row of a query as "column=value column=value".
func list(ctx context.Context, db *sql.DB, query string) ([]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out []string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		fields := make([]string, len(columns))
		for i, column := range columns {
			fields[i] = column + "=" + values[i].String
		}
		out = append(out, strings.Join(fields, " "))
	}
	return out, rows.Err()
}
