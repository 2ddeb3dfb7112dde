package checker_test

import "settlement/e2e/checker"

// refundedInPart has 10 of the paid order's 30 refunded.
func (b *books) refundedInPart() {
	b.t.Helper()
	b.accepted(paidOrder, second, 2, "refunding")
	b.moved(second, 2, "refund", "refunded", -10)
	b.exec(b.payments, "UPDATE payment_numbers SET amount_minor = 10 WHERE payment_no = ?", second)
	b.exec(b.payments, "UPDATE accounts SET balance_minor = 980 WHERE id = ?", payer)

	b.applied(second, 2, "refund", "refunded")
	b.exec(b.orders, "UPDATE payments SET amount_minor = 10 WHERE payment_no = ?", second)
	b.exec(b.orders, "UPDATE orders SET seq = 2, payment_no = ?, asked_minor = 10, refunded_minor = 10 WHERE"+
		" id = ?", second, paidOrder)
}

// cancelled has the new order cancelled: its settle was declined, and there was nothing to refund.
func (b *books) cancelled() {
	b.t.Helper()
	b.accepted(newOrder, second, 1, "settling")
	b.accepted(newOrder, third, 2, "cancelling")

	b.exec(b.payments, "INSERT INTO order_progress (order_id, last_seq) VALUES (?, 2)", newOrder)
	b.decided(newOrder, second, 1, "settle", "declined")
	b.decided(newOrder, third, 2, "refund", "failed")
	b.exec(b.payments, "UPDATE payment_numbers SET reason = 'insufficient_funds', amount_minor = 2000,"+
		" created_at = NOW() + INTERVAL 1 MINUTE WHERE payment_no = ?", second)
	b.exec(b.payments, "UPDATE payment_numbers SET reason = 'nothing_to_refund', amount_minor = 2000,"+
		" created_at = NOW() + INTERVAL 1 MINUTE WHERE payment_no = ?", third)

	b.exec(b.orders, "INSERT INTO payments (payment_no, order_id, type, seq, outcome, amount_minor,"+
		" occurred_at) VALUES"+
		" (?, ?, 'settle', 1, 'declined', 2000, NOW()), (?, ?, 'refund', 2, 'failed', 2000, NOW())", second,
		newOrder, third, newOrder)
	b.exec(b.orders, "UPDATE orders SET status = 'declined', seq = 2, payment_no = ?, reason ="+
		" 'insufficient_funds', amount_minor = 2000 WHERE id = ?", third, newOrder)
}

var refundFaults = []fault{
	{
		"more is refunded than was paid",
		want{checker.Double, "an order is refunded more than it is paid", paidOrder, third},
		func(b *books) {
			b.refundedInPart()
			b.moved(third, 3, "refund", "refunded", -30)
			b.exec(b.payments, "UPDATE accounts SET balance_minor = 1010 WHERE id = ?", payer)
		},
	},
	{
		"a part was refunded, and the order says another",
		want{checker.Money, "an order's refunded amount is not what was refunded", paidOrder, second},
		func(b *books) {
			b.refundedInPart()
			b.exec(b.orders, "UPDATE orders SET refunded_minor = 30 WHERE id = ?", paidOrder)
		},
	},
	{
		"a part was refunded that nobody asked for",
		want{checker.Money, "decided on other terms", paidOrder, second},
		func(b *books) {
			b.refundedInPart()
			b.exec(b.orders, "UPDATE orders SET asked_minor = 11 WHERE id = ?", paidOrder)
		},
	},
	{
		"an outcome was applied with another amount",
		want{checker.Money, "applied with another amount than decided", paidOrder, second},
		func(b *books) {
			b.refundedInPart()
			b.exec(b.orders, "UPDATE payments SET amount_minor = 11 WHERE payment_no = ?", second)
		},
	},
	{
		"an order that is refunded in part counts as refunded",
		want{checker.All, "an order's status is not what its outcomes come to", paidOrder, second},
		func(b *books) {
			b.refundedInPart()
			b.exec(b.orders, "UPDATE orders SET status = 'refunded' WHERE id = ?", paidOrder)
		},
	},
	{
		"the refund overtook the settle",
		want{checker.All, "a refund found nothing to refund", newOrder, third},
		func(b *books) {
			b.cancelled()
			b.exec(b.payments, "UPDATE payment_numbers SET seq = seq + 10 WHERE order_id = ?", newOrder)
			b.exec(b.payments, "UPDATE payment_numbers SET seq = 13 - seq WHERE order_id = ?", newOrder)
		},
	},
	{
		"a cancelled order forgot why it was not paid",
		want{checker.All, "an order's reason is not the one decided", newOrder, third},
		func(b *books) {
			b.cancelled()
			b.exec(b.orders, "UPDATE orders SET reason = 'nothing_to_refund' WHERE id = ?", newOrder)
		},
	},
	{
		"a cancelled order hangs behind its settle",
		want{checker.Lost, "an order's instruction has not ended", newOrder, second},
		func(b *books) {
			b.cancelled()
			b.exec(b.orders, "DELETE FROM payments WHERE order_id = ?", newOrder)
			b.exec(b.orders, "UPDATE orders SET status = 'cancelling', cancelled_no = ? WHERE id = ?",
				second, newOrder)
		},
	},
	{
		"the points of a refunded order were not taken back",
		want{checker.All, "rewarded otherwise than paid and refunded", "", ""},
		func(b *books) {
			b.points()
			b.refundedInPart()
			b.exec(b.orders, "UPDATE payments SET amount_minor = 30")
		},
	},
}

func init() {
	faults = append(faults, refundFaults...)
	for name, put := range map[string]func(*books){
		"refunded in part": (*books).refundedInPart, "cancelled and not paid": (*books).cancelled,
	} {
		goodHistories = append(goodHistories, struct {
			name string
			put  func(b *books)
		}{name, put})
	}
}
