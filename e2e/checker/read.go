package checker

import (
	"context"
	"database/sql"
	"fmt"
)

// look calls with one snapshot of each database: rows that one transaction wrote are seen
// together, also while the services go on. Orders first: what it shows as applied was decided
// before, so the payments database has it.
func (c *Checker) look(ctx context.Context, with func(orders, payments *sql.Tx) error) error {
	snapshot := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	orders, err := c.orders.BeginTx(ctx, snapshot)
	if err != nil {
		return fmt.Errorf("orders database: %w", err)
	}
	defer func() { _ = orders.Rollback() }()
	// A snapshot begins with the first read.
	if err := orders.QueryRowContext(ctx, "SELECT COUNT(*) FROM outbox_lease").Scan(new(int)); err != nil {
		return fmt.Errorf("orders database: %w", err)
	}
	payments, err := c.payments.BeginTx(ctx, snapshot)
	if err != nil {
		return fmt.Errorf("payments database: %w", err)
	}
	defer func() { _ = payments.Rollback() }()
	return with(orders, payments)
}

// read calls each with every row of a query, scanned into what fields names.
func read[T any](ctx context.Context, tx *sql.Tx, query string, fields func(*T) []any, each func(T)) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%w in %s", err, query)
	}
	defer rows.Close()
	for rows.Next() {
		var value T
		if err := rows.Scan(fields(&value)...); err != nil {
			return fmt.Errorf("%w in %s", err, query)
		}
		each(value)
	}
	return rows.Err()
}

// rule is a query whose every row is a violation. Its columns order_id and payment_no name
// the order and the payment number.
type rule struct {
	invariant Invariant
	what      string
	query     string
}

func (r rule) apply(ctx context.Context, tx *sql.Tx, f *findings) error {
	rows, err := tx.QueryContext(ctx, r.query)
	if err != nil {
		return fmt.Errorf("%s (%s): %w", r.invariant, r.what, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values, targets := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return fmt.Errorf("%s (%s): %w", r.invariant, r.what, err)
		}
		var orderID, paymentNo string
		var columns []any
		for i, name := range names {
			switch name {
			case "order_id":
				orderID = values[i].String
			case "payment_no":
				paymentNo = values[i].String
			default:
				columns = append(columns, name, values[i].String)
			}
		}
		f.add(r.invariant, r.what, orderID, paymentNo, columns...)
	}
	return rows.Err()
}
