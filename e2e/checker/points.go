package checker

import (
	"context"
	"database/sql"
	"maps"
	"slices"
)

func (s *state) readCustomers(ctx context.Context, tx *sql.Tx) error {
	return read(ctx, tx, "SELECT id, points_seq FROM customers",
		func(c *customerRow) []any { return []any{&c.ID, &c.Seq} },
		func(c *customerRow) { s.customers[c.ID] = *c })
}

func (s *state) readPoints(ctx context.Context, tx *sql.Tx) error {
	err := read(ctx, tx, "SELECT customer_id, last_seq, points FROM points_balances",
		func(c *customerRow) []any { return []any{&c.ID, &c.Seq, &c.Points} },
		func(c *customerRow) { s.balances[c.ID] = *c })
	if err != nil {
		return err
	}

	err = read(ctx, tx, "SELECT customer_id, seq, points_no, type, change_by, points, reason FROM"+
		" points_history ORDER BY customer_id, seq",
		func(p *pointsRow) []any {
			return []any{&p.CustomerID, &p.Seq, &p.PointsNo, &p.Type, &p.Change, &p.Points, &p.Reason}
		},
		func(p *pointsRow) { s.history[p.CustomerID] = append(s.history[p.CustomerID], p) })
	if err != nil {
		return err
	}

	return read(ctx, tx, "SELECT order_id, seq FROM parked_messages WHERE topic = 'points' AND state ="+
		" 'waiting'",
		func(p *pointsRow) []any { return []any{&p.CustomerID, &p.Seq} },
		func(p *pointsRow) { s.pointsWaiting = append(s.pointsWaiting, p) })
}

// checkPoints follows each customer through the changes of points, and compares them with what
// order-service published.
func (s *state) checkPoints(f *findings) {
	// How often orders were paid and refunded, by customer.
	paid, refunded := map[string]int64{}, map[string]int64{}
	eachOrder(slices.Collect(maps.Values(s.applied)), func(orderID string, steps []*movement) {
		o, ok := s.orders[orderID]
		if !ok {
			return
		}
		for _, m := range steps {
			if m.Outcome == "paid" {
				paid[o.CustomerID]++
			}
		}
		refunded[o.CustomerID] += comeTo(steps).wholes
	})

	for id, c := range s.customers {
		if b := s.balances[id]; b.Seq != c.Seq {
			f.add(Lost, "changes of points have not taken effect", "", "", "customer_id", id,
				"customers.points_seq", c.Seq, "points_balances.last_seq", b.Seq)
		}

		changes := map[string]int64{} // by reason
		for _, p := range s.history[id] {
			changes[p.Reason]++
		}
		if changes["order_paid"] != paid[id] || changes["order_refunded"] != refunded[id] {
			f.add(All, "rewarded otherwise than paid and refunded", "", "", "customer_id", id, "rewards",
				changes["order_paid"], "paid", paid[id],
				"taken_back", changes["order_refunded"], "refunded", refunded[id])
		}
	}

	for id, b := range s.balances {
		checkPointsSteps(f, b, s.history[id])
	}
	for _, p := range s.pointsWaiting {
		if b := s.balances[p.CustomerID]; b.Seq >= p.Seq-1 {
			f.add(Lost, "a change of points waits, and its predecessor is done", "", "", "customer_id",
				p.CustomerID, "seq", p.Seq, "last_seq", b.Seq)
		}
	}
}

// checkPointsSteps adds up a customer's changes in their sequence.
func checkPointsSteps(f *findings, b customerRow, steps []*pointsRow) {
	points := int64(0)
	for i, p := range steps {
		if p.Seq != int64(i+1) {
			f.add(Order, "changes of points have a gap", "", "", "customer_id",
				b.ID, "seq", p.Seq, "want", i+1)
			return
		}
		if points += p.Change; p.Type == "set" {
			points = p.Change
		}
		if p.Points != points {
			f.add(Order, "points passed through a wrong number", "", "", "customer_id", b.ID, "seq", p.Seq,
				"points", p.Points, "want", points)
			return
		}
	}

	if b.Seq != int64(len(steps)) || b.Points != points {
		f.add(Order, "points are not what their history comes to",
			"", "", "customer_id", b.ID, "points", b.Points, "want", points,
			"last_seq", b.Seq, "changes", len(steps))
	}
}
