package checker_test

import "settlement/e2e/checker"

// fault is something that must not be.
type fault struct {
	name      string
	invariant checker.Invariant
	put       func(h history)
}

var faults = []fault{
	{"an entry is missing", checker.Money, func(h history) {
		h.exec(h.payments, "DELETE FROM entries WHERE payment_no = ? AND account_id = ?", first, merchant)
	}},
	{"a balance is not the sum of its entries", checker.Money, func(h history) {
		h.exec(h.payments, "UPDATE accounts SET balance_minor = 971 WHERE id = ?", payer)
	}},
	{"a settle credited the wallet", checker.Money, func(h history) {
		h.exec(h.payments, "UPDATE entries SET amount_minor = -amount_minor WHERE payment_no = ?", first)
		h.exec(h.payments, "UPDATE accounts SET balance_minor = 1030 WHERE id = ?", payer)
	}},
	{"somebody else was debited", checker.Money, func(h history) {
		h.exec(h.payments, "UPDATE accounts SET balance_minor = CASE id WHEN ? THEN 1000 ELSE 70 END", payer)
		h.entry(third, outside, -100, "CNY", "deposit")
		h.entry(third, bystander, 100, "CNY", "deposit")
		h.exec(h.payments, "UPDATE entries SET account_id = ? WHERE payment_no = ? AND account_id = ?", bystander, first, payer)
	}},
	{"1 was debited for an order of 30", checker.Money, func(h history) {
		h.exec(h.payments, "UPDATE entries SET amount_minor = SIGN(amount_minor) WHERE payment_no = ?", first)
		h.exec(h.payments, "UPDATE payment_numbers SET amount_minor = 1")
		h.exec(h.payments, "UPDATE accounts SET balance_minor = 999 WHERE id = ?", payer)
	}},
	{"foreign currency in a wallet", checker.Money, func(h history) {
		h.entry(second, outside, -5, "USD", "deposit")
		h.entry(second, payer, 5, "USD", "deposit")
	}},
	{"money on an account that does not exist", checker.Money, func(h history) {
		h.entry(second, outside, -5, "CNY", "deposit")
		h.entry(second, paidOrder, 5, "CNY", "deposit")
	}},
	{"paid twice", checker.Double, func(h history) {
		h.moved(second, 2, "settle", "paid", 30)
		h.exec(h.payments, "UPDATE accounts SET balance_minor = 940 WHERE id = ?", payer)
	}},
	{"paid twice, then refunded once", checker.Double, func(h history) {
		h.moved(second, 2, "settle", "paid", 30)
		h.moved(third, 3, "refund", "refunded", -30)
		h.applied(second, 2, "settle", "paid")
		h.applied(third, 3, "refund", "refunded")
		h.exec(h.orders, "UPDATE orders SET status = 'refunded', seq = 3, payment_no = ? WHERE id = ?", third, paidOrder)
	}},
	{"an order hangs in settling", checker.Lost, func(h history) {
		h.exec(h.orders, "UPDATE orders SET status = 'settling', seq = 1, payment_no = ? WHERE id = ?", second, newOrder)
	}},
	{"a message is left in an outbox", checker.Lost, func(h history) {
		h.exec(h.payments, "INSERT INTO outbox (topic, sharding_key, message_key, tag, traceparent, body, created_at) VALUES ('t', 'k', 'k', '', '', '', NOW())")
	}},
	{"a sequence is missing", checker.Order, func(h history) {
		h.exec(h.payments, "UPDATE payment_numbers SET seq = 2")
	}},
	{"progress is behind what was decided", checker.Order, func(h history) {
		h.exec(h.payments, "UPDATE order_progress SET last_seq = 0")
	}},
	{"paid without any settlement", checker.All, func(h history) {
		h.exec(h.orders, "UPDATE orders SET status = 'paid' WHERE id = ?", newOrder)
	}},
	{"an order lost its payment number", checker.All, func(h history) {
		h.exec(h.orders, "UPDATE orders SET payment_no = NULL WHERE id = ?", paidOrder)
	}},
	{"refunded though nobody asked", checker.All, func(h history) {
		h.moved(second, 2, "refund", "refunded", -30)
		h.exec(h.payments, "UPDATE accounts SET balance_minor = 1000 WHERE id = ?", payer)
	}},
	{"an outcome was applied that nobody decided", checker.All, func(h history) {
		h.exec(h.payments, "UPDATE payment_numbers SET payment_no = ?", second)
		h.exec(h.payments, "UPDATE entries SET payment_no = ? WHERE payment_no = ?", second, first)
	}},
	{"the outcome applied is not the one decided", checker.All, func(h history) {
		h.exec(h.orders, "UPDATE payments SET outcome = 'declined'")
		h.exec(h.orders, "UPDATE orders SET status = 'declined' WHERE id = ?", paidOrder)
	}},
	{"an outcome of an order that is gone", checker.All, func(h history) {
		h.exec(h.orders, "DELETE FROM orders WHERE id = ?", paidOrder)
	}},
}
