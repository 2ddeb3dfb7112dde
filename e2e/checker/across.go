package checker

import (
	"context"
	"database/sql"
	"fmt"
)

// movement is what both sides must agree on for one payment number.
type movement struct {
	orderID string
	seq     int64
	kind    string
	outcome string
}

func (m movement) String() string {
	return fmt.Sprintf("order_id=%s seq=%d type=%s outcome=%s", m.orderID, m.seq, m.kind, m.outcome)
}

// checkAcross compares the payment numbers that payment-service decided with those that
// order-service applied. Decided numbers of orders that order-service does not have were
// published by somebody else, and are not its business.
func (c *Checker) checkAcross(ctx context.Context) ([]Violation, error) {
	decided, err := movements(ctx, c.payments, "SELECT payment_no, order_id, seq, type, outcome FROM payment_numbers")
	if err != nil {
		return nil, fmt.Errorf("decided payment numbers: %w", err)
	}
	applied, err := movements(ctx, c.orders, "SELECT payment_no, order_id, seq, type, outcome FROM payments")
	if err != nil {
		return nil, fmt.Errorf("applied payment numbers: %w", err)
	}
	current, err := movements(ctx, c.orders, "SELECT payment_no, id, seq, '', status FROM orders WHERE payment_no IS NOT NULL")
	if err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	var found []Violation
	for no, a := range applied {
		if d, ok := decided[no]; !ok {
			found = append(found, Violation{All, "applied in orders, never decided", "payment_no=" + no + " " + a.String()})
		} else if d != a {
			found = append(found, Violation{All, "applied otherwise than decided", fmt.Sprintf("payment_no=%s decided %s applied %s", no, d, a)})
		}
	}
	for no, o := range current {
		if _, ok := decided[no]; !ok {
			found = append(found, Violation{Lost, "accepted, never decided", "payment_no=" + no + " " + o.String()})
		} else if _, ok := applied[no]; !ok {
			found = append(found, Violation{All, "decided, never applied to its order", "payment_no=" + no + " " + o.String()})
		}
	}
	return found, nil
}

func movements(ctx context.Context, db *sql.DB, query string) (map[string]movement, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]movement{}
	for rows.Next() {
		var no string
		var m movement
		if err := rows.Scan(&no, &m.orderID, &m.seq, &m.kind, &m.outcome); err != nil {
			return nil, err
		}
		out[no] = m
	}
	return out, rows.Err()
}
