package checker

import (
	"context"
	"database/sql"
	"fmt"
)

// look calls check with one snapshot of each database, so that the rows of one transaction are seen
// together, even while the services go on. The orders snapshot comes first: what it shows as
// applied was decided before, so the payments snapshot has it.
func (c *Checker) look(ctx context.Context, check func(s *state)) error {
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
	if err := payments.QueryRowContext(ctx, "SELECT COUNT(*) FROM outbox_lease").Scan(new(int)); err != nil {
		return fmt.Errorf("payments database: %w", err)
	}

	s, err := c.readState(ctx, orders, payments)
	if err != nil {
		return err
	}
	check(s)
	return nil
}

// read calls each with every row of a query, scanned into the pointers that fields returns.
func read[T any](ctx context.Context, tx *sql.Tx, query string, fields func(*T) []any, each func(*T)) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%w in %s", err, query)
	}
	defer rows.Close()

	for rows.Next() {
		value := new(T)
		if err := rows.Scan(fields(value)...); err != nil {
			return fmt.Errorf("%w in %s", err, query)
		}
		each(value)
	}
	return rows.Err()
}
