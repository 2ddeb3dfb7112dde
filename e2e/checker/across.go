package checker

import (
	"context"
	"database/sql"
	"fmt"
)

// movement is what both sides must agree on for one payment number.
type movement struct {
	OrderID string
	Seq     int64
	Type    string
	Outcome string
}

// terms are who pays how much; a refund is on the terms of its order too.
type terms struct {
	AccountID string
	Minor     int64
	Currency  string
}

// checkAcross compares the payment numbers that payment-service decided with what
// order-service asked for and applied. Decided numbers of orders that order-service does
// not have were published by somebody else, and are not its business.
func (c *Checker) checkAcross(ctx context.Context) ([]Violation, error) {
	decided, err := collect(ctx, c.payments, "SELECT payment_no, order_id, seq, type, outcome FROM payment_numbers",
		func(m *movement) []any { return []any{&m.OrderID, &m.Seq, &m.Type, &m.Outcome} })
	if err != nil {
		return nil, fmt.Errorf("decided payment numbers: %w", err)
	}
	decidedTerms, err := collect(ctx, c.payments, "SELECT payment_no, account_id, amount_minor, currency FROM payment_numbers", termsFields)
	if err != nil {
		return nil, fmt.Errorf("terms of payment numbers: %w", err)
	}
	applied, err := collect(ctx, c.orders, "SELECT payment_no, order_id, seq, type, outcome FROM payments",
		func(m *movement) []any { return []any{&m.OrderID, &m.Seq, &m.Type, &m.Outcome} })
	if err != nil {
		return nil, fmt.Errorf("applied payment numbers: %w", err)
	}
	orderTerms, err := collect(ctx, c.orders, "SELECT id, account_id, amount_minor, currency FROM orders", termsFields)
	if err != nil {
		return nil, fmt.Errorf("terms of orders: %w", err)
	}
	asked, err := collect(ctx, c.orders, "SELECT payment_no, id FROM orders WHERE payment_no IS NOT NULL",
		func(id *string) []any { return []any{id} })
	if err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}

	var found []Violation
	report := func(i Invariant, what, no string, details any) {
		found = append(found, Violation{i, what, fmt.Sprintf("payment_no=%s %+v", no, details)})
	}
	for no, d := range decided {
		want, ours := orderTerms[d.OrderID]
		if !ours {
			continue
		}
		if _, ok := applied[no]; !ok {
			report(All, "decided, never applied to its order", no, d)
		}
		if decidedTerms[no] != want {
			report(Money, "decided on other terms than its order's", no, []terms{decidedTerms[no], want})
		}
	}
	for no, a := range applied {
		if d, ok := decided[no]; !ok {
			report(All, "applied in orders, never decided", no, a)
		} else if d != a {
			report(All, "applied otherwise than decided", no, []movement{d, a})
		}
	}
	for no, order := range asked {
		if _, ok := decided[no]; !ok {
			report(Lost, "accepted, never decided", no, order)
		}
	}
	return found, nil
}

func termsFields(t *terms) []any { return []any{&t.AccountID, &t.Minor, &t.Currency} }

// collect reads rows into a map by their first column.
func collect[T any](ctx context.Context, db *sql.DB, query string, fields func(*T) []any) (map[string]T, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]T{}
	for rows.Next() {
		var key string
		var value T
		if err := rows.Scan(append([]any{&key}, fields(&value)...)...); err != nil {
			return nil, err
		}
		out[key] = value
	}
	return out, rows.Err()
}
