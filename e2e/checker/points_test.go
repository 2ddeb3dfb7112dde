package checker_test

import "settlement/e2e/checker"

// collector is a customer who collects points.
const collector = "0198f1a2-0000-7000-8000-0000000000c0"

// points writes a customer who has registered, and whose order was paid: 0, 10, 12.
func (b *books) points() {
	b.t.Helper()
	b.exec(b.orders, "INSERT INTO customers VALUES (?, 'n', 2, NOW())", collector)
	b.exec(b.orders, "UPDATE orders SET customer_id = ? WHERE id = ?", collector, paidOrder)
	b.exec(b.payments, "INSERT INTO points_balances (customer_id, points, last_seq) VALUES (?, 12, 2)",
		collector)
	b.exec(b.payments, "INSERT INTO points_history VALUES (?, 1, UUID(), 'set', 10, 10, 'registered', NOW(),"+
		" NOW()),"+
		" (?, 2, UUID(), 'add', 2, 12, 'order_paid', NOW(), NOW())", collector, collector)
}

var pointsFaults = []fault{
	{
		"a change of points is lost",
		want{checker.Lost, "changes of points have not taken effect", "", ""},
		func(b *books) {
			b.points()
			b.exec(b.orders, "UPDATE customers SET points_seq = 3")
		},
	},
	{
		"a customer was never told of",
		want{checker.Lost, "changes of points have not taken effect", "", ""},
		func(b *books) {
			b.points()
			b.exec(b.orders, "UPDATE orders SET customer_id = 'c'")
			b.exec(b.payments, "DELETE FROM points_balances")
			b.exec(b.payments, "DELETE FROM points_history")
		},
	},
	{
		"a paid order is not rewarded",
		want{checker.All, "rewarded otherwise than paid and refunded", "", ""},
		func(b *books) {
			b.points()
			b.exec(b.payments, "UPDATE points_history SET reason = 'misconduct' WHERE seq = 2")
		},
	},
	{
		"changes of points have a gap",
		want{checker.Order, "changes of points have a gap", "", ""},
		func(b *books) {
			b.points()
			b.exec(b.payments, "UPDATE points_history SET seq = 3 WHERE seq = 2")
		},
	},
	{
		"points pass through a wrong number",
		want{checker.Order, "points passed through a wrong number", "", ""},
		func(b *books) {
			b.points()
			b.exec(b.payments, "UPDATE points_history SET points = 2 WHERE seq = 1")
		},
	},
	{
		"points are another number than their history",
		want{checker.Order, "points are not what their history comes to", "", ""},
		func(b *books) {
			b.points()
			b.exec(b.payments, "UPDATE points_balances SET points = 14")
		},
	},
	{
		"a change of points waits for nobody",
		want{checker.Lost, "a change of points waits, and its predecessor is done", "", ""},
		func(b *books) {
			b.points()
			b.exec(b.payments, "INSERT INTO parked_messages (id, state, topic, queue_id, queue_offset,"+
				" message_id, payment_no, order_id, seq, payload,"+
				" payload_sha256, properties, reason, attempts, resolution, created_at, updated_at)"+
				" VALUES (UUID(), 'waiting', 'points', 0, 0, 'm', UUID(), ?, 3, '', '', '{}', 'r', 1, '',"+
				" NOW(),"+
				" NOW())", collector)
		},
	},
}

func init() { faults = append(faults, pointsFaults...) }

func init() {
	goodHistories = append(goodHistories, struct {
		name string
		put  func(b *books)
	}{"a customer collects points", func(b *books) { b.points() }})
}
