package checker_test

import "settlement/e2e/checker"

// fault is something that must not be.
type fault struct {
	name string
	want want
	put  func(b *books)
}

// want is how the checker has to report a fault. what is the beginning of the Violation's What.
type want struct {
	invariant checker.Invariant
	what      string
	order, no string
}

var faults = []fault{
	{
		"an entry is missing",
		want{checker.Money, "entries of a payment number do not sum", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "DELETE FROM entries WHERE payment_no = ? AND account_id = ?", first, merchant)
		},
	},
	{
		"a balance is not the sum of its entries",
		want{checker.Money, "a wallet is not the sum of its entries", "", ""},
		func(b *books) {
			b.exec(b.payments, "UPDATE accounts SET balance_minor = 971 WHERE id = ?", payer)
		},
	},
	{
		"a settle was decided and moved nothing",
		want{checker.Money, "a wallet is not its deposits - debits + refunds", "", ""},
		func(b *books) {
			b.exec(b.payments, "DELETE FROM entries WHERE payment_no = ?", first)
			b.exec(b.payments, "UPDATE accounts SET balance_minor = 1000 WHERE id = ?", payer)
		},
	},
	{
		"a settle was decided without entries",
		want{checker.All, "a payment number has not the entries", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "DELETE FROM entries WHERE payment_no = ?", first)
		},
	},
	{
		"a settle credited the wallet",
		want{checker.Money, "an entry is not what its payment asks", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "UPDATE entries SET amount_minor = -amount_minor WHERE payment_no = ?", first)
			b.exec(b.payments, "UPDATE accounts SET balance_minor = 1030 WHERE id = ?", payer)
		},
	},
	{"somebody else was debited", want{
		checker.Money, "an entry is not what its payment asks", paidOrder, first,
	}, func(b *books) {
		b.exec(b.payments, "UPDATE accounts SET balance_minor = CASE id WHEN ? THEN 1000 ELSE 70 END", payer)
		b.entry(third, outside, -100, "CNY", "deposit")
		b.entry(third, bystander, 100, "CNY", "deposit")
		b.exec(b.payments, "UPDATE entries SET account_id = ? WHERE payment_no = ? AND account_id = ?",
			bystander, first, payer)
	}},
	{
		"1 was debited for an order of 30",
		want{checker.Money, "decided on other terms", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "UPDATE entries SET amount_minor = SIGN(amount_minor) WHERE payment_no = ?",
				first)
			b.exec(b.payments, "UPDATE payment_numbers SET amount_minor = 1")
			b.exec(b.payments, "UPDATE accounts SET balance_minor = 999 WHERE id = ?", payer)
		},
	},
	{
		"foreign currency in a wallet",
		want{checker.Money, "an entry is on no account", "", second},
		func(b *books) {
			b.entry(second, outside, -5, "USD", "deposit")
			b.entry(second, payer, 5, "USD", "deposit")
		},
	},
	{
		"money on an account that does not exist",
		want{checker.Money, "an entry is on no account", "", second},
		func(b *books) {
			b.entry(second, outside, -5, "CNY", "deposit")
			b.entry(second, paidOrder, 5, "CNY", "deposit")
		},
	},
	{
		"a deposit from another wallet",
		want{checker.Money, "a deposit is not one entry from outside", "", second},
		func(b *books) {
			b.entry(second, bystander, -5, "CNY", "deposit")
			b.entry(second, payer, 5, "CNY", "deposit")
		},
	},
	{
		"paid twice",
		want{checker.Double, "an order is paid while it is paid", paidOrder, second},
		func(b *books) {
			b.moved(second, 2, "settle", "paid", 30)
			b.exec(b.payments, "UPDATE accounts SET balance_minor = 940 WHERE id = ?", payer)
		},
	},
	{
		"paid twice, then refunded once",
		want{checker.Double, "an order is paid while it is paid", paidOrder, second},
		func(b *books) {
			b.moved(second, 2, "settle", "paid", 30)
			b.moved(third, 3, "refund", "refunded", -30)
			b.applied(second, 2, "settle", "paid")
			b.applied(third, 3, "refund", "refunded")
			b.exec(b.orders, "UPDATE orders SET status = 'refunded', seq = 3, payment_no = ? WHERE id = ?",
				third, paidOrder)
		},
	},
	{
		"a sequence is missing",
		want{checker.Order, "an order's sequence has a gap", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "UPDATE payment_numbers SET seq = 2")
		},
	},
	{
		"progress is behind what was decided",
		want{checker.Order, "an order's progress", paidOrder, ""},
		func(b *books) {
			b.exec(b.payments, "UPDATE order_progress SET last_seq = 0")
		},
	},
	{
		"a refund took effect before the payment",
		want{checker.Order, "an instruction took effect before its predecessor", paidOrder, second},
		func(b *books) {
			b.refunded()
			b.exec(b.payments, "UPDATE payment_numbers SET id = 4000000, created_at = '2020-01-01' WHERE"+
				" payment_no = ?", first)
		},
	},
	{
		"an outcome is not applied, the next one is",
		want{checker.Order, "outcomes were not applied one for each sequence", paidOrder, first},
		func(b *books) {
			b.exec(b.orders, "UPDATE payments SET seq = 2")
			b.exec(b.orders, "UPDATE orders SET seq = 2 WHERE id = ?", paidOrder)
		},
	},
	{"an outcome is missing", want{
		checker.Order, "outcomes were not applied up to the order's sequence", paidOrder, first,
	}, func(b *books) {
		b.exec(b.orders, "DELETE FROM payments")
	}},
	{
		"an order has progressed without a decision",
		want{checker.Order, "an order's progress", foreign, ""},
		func(b *books) {
			b.exec(b.payments, "INSERT INTO order_progress (order_id, last_seq) VALUES (?, 1)", foreign)
		},
	},
	{
		"a refund of what is not paid",
		want{checker.Double, "an order is refunded more than it is paid", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "UPDATE payment_numbers SET outcome = 'refunded', type = 'refund'")
		},
	},
	{
		"declined for a wallet that is there",
		want{checker.All, "declined for want of a wallet", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "UPDATE payment_numbers SET outcome = 'declined', reason = 'unknown_account',"+
				" created_at = NOW() + INTERVAL 1 SECOND")
		},
	},
	{
		"paid without any settlement",
		want{checker.All, "an order's status is not what its outcomes come to", newOrder, ""},
		func(b *books) {
			b.exec(b.orders, "UPDATE orders SET status = 'paid' WHERE id = ?", newOrder)
		},
	},
	{
		"an order lost its payment number",
		want{checker.All, "an order's status is not what its outcomes come to", paidOrder, first},
		func(b *books) {
			b.exec(b.orders, "UPDATE orders SET payment_no = NULL WHERE id = ?", paidOrder)
		},
	},
	{
		"declined for want of a wallet that was there",
		want{checker.All, "declined for want of a wallet that was there", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "UPDATE payment_numbers SET outcome = 'declined', reason = 'unknown_account',"+
				" created_at = created_at + INTERVAL 1 SECOND")
		},
	},
	{"declined as paid already", want{
		checker.All, "refused for a reason that order-service gives no occasion for", paidOrder, first,
	}, func(b *books) {
		b.exec(b.payments, "UPDATE payment_numbers SET outcome = 'declined', reason = 'already_paid'")
	}},
	{
		"refunded though nobody asked",
		want{checker.All, "decided, never applied to its order", paidOrder, second},
		func(b *books) { b.refunded() },
	},
	{
		"an outcome was applied that nobody decided",
		want{checker.All, "applied in orders, never decided", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "UPDATE payment_numbers SET payment_no = ?", second)
			b.exec(b.payments, "UPDATE entries SET payment_no = ? WHERE payment_no = ?", second, first)
		},
	},
	{
		"the outcome applied is not the one decided",
		want{checker.All, "applied otherwise than decided", paidOrder, first},
		func(b *books) {
			b.exec(b.orders, "UPDATE payments SET outcome = 'declined'")
			b.exec(b.orders, "UPDATE orders SET status = 'declined' WHERE id = ?", paidOrder)
		},
	},
	{
		"the reason is not the one decided",
		want{checker.All, "an order's reason", paidOrder, first},
		func(b *books) {
			b.exec(b.orders, "UPDATE orders SET reason = 'insufficient_funds' WHERE id = ?", paidOrder)
		},
	},
	{
		"an outcome of an order that is gone",
		want{checker.All, "an outcome was applied to an order that is not there", paidOrder, first},
		func(b *books) {
			b.exec(b.orders, "DELETE FROM orders WHERE id = ?", paidOrder)
		},
	},
	{
		"a settle is refunded",
		want{checker.All, "an outcome is none that its instruction", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "UPDATE payment_numbers SET outcome = 'refunded'")
		},
	},
	{
		"a declined settle moved money",
		want{checker.All, "a payment number has not the entries", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "UPDATE payment_numbers SET outcome = 'declined'")
		},
	},
	{
		"money moved without a payment number",
		want{checker.All, "entries have no payment number", "", second},
		func(b *books) {
			b.entry(second, payer, -30, "CNY", "settle")
			b.entry(second, merchant, 30, "CNY", "settle")
		},
	},
}

// forbiddenFaults are those that an index or a constraint keeps out of the tables.
var forbiddenFaults = []fault{
	{"a wallet is below zero", want{checker.Money, "a wallet is below zero", "", ""}, func(b *books) {
		b.exec(b.payments, "UPDATE accounts SET balance_minor = -1 WHERE id = ?", payer)
	}},
	{
		"a payment number is there twice",
		want{checker.Double, "a payment number is there more than once", paidOrder, first},
		func(b *books) {
			b.moved(first, 2, "settle", "paid", 30)
		},
	},
	{
		"an outcome is applied twice",
		want{checker.Double, "an outcome was applied more than once", paidOrder, first},
		func(b *books) {
			b.applied(first, 1, "settle", "paid")
		},
	},
	{
		"one payment number debited twice",
		want{checker.Double, "a payment number moved an account more than once", paidOrder, first},
		func(b *books) {
			b.entry(first, payer, -30, "CNY", "settle")
			b.entry(first, merchant, 30, "CNY", "settle")
		},
	},
	{
		"paid twice in one place",
		want{checker.Double, "an order is paid while it is paid", paidOrder, second},
		func(b *books) {
			b.moved(second, 1, "settle", "paid", 30)
		},
	},
}
