package checker_test

import "settlement/e2e/checker"

// leaveInOutbox adds a message of an order and a payment number.
const leaveInOutbox = "INSERT INTO outbox (topic, sharding_key, message_key, tag, traceparent, body," +
	" created_at)" +
	" VALUES ('t', ?, ?, '', '', '', NOW())"

// lostFaults are accepted instructions that have not ended.
var lostFaults = []fault{
	{
		"a message is left in the payments outbox",
		want{checker.Lost, "a message waits in the outbox", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, leaveInOutbox, paidOrder, first)
		},
	},
	{
		"a message is left in the orders outbox",
		want{checker.Lost, "a message waits in the outbox", paidOrder, first},
		func(b *books) {
			b.exec(b.orders, leaveInOutbox, paidOrder, first)
		},
	},
	{
		"an accepted instruction came to nothing",
		want{checker.Lost, "accepted, never decided", newOrder, second},
		func(b *books) { b.asked() },
	},
	{
		"an order hangs in settling", want{
			checker.Lost, "an order's instruction has not ended", newOrder, second,
		}, func(b *books) { b.asked() },
	},
	{
		"an order hangs in settling and its instruction is decided",
		want{checker.Lost, "an order's instruction has not ended", paidOrder, first},
		func(b *books) {
			b.exec(b.orders, "UPDATE orders SET status = 'settling' WHERE id = ?", paidOrder)
			b.exec(b.orders, "DELETE FROM payments")
			b.parked("parked", paidOrder, first, 1, "")
		},
	},
	{
		"another's parked message excuses nothing",
		want{checker.Lost, "accepted, never decided", newOrder, second},
		func(b *books) {
			b.asked()
			b.parked("parked", newOrder, third, 1, "")
		},
	},
	{
		"an instruction waits for nobody",
		want{checker.Lost, "an order's instruction has not ended", newOrder, second},
		func(b *books) {
			b.asked()
			b.parked("waiting", newOrder, second, 1, "")
		},
	},
	{
		"an instruction waits behind a place that is taken",
		want{checker.Lost, "an instruction waits, and its predecessor is done", paidOrder, second},
		func(b *books) {
			b.parked("waiting", paidOrder, second, 2, "")
		},
	},
	{
		"a replayed message is not settled",
		want{checker.Lost, "an instruction was marked as settled", foreign, second},
		func(b *books) {
			b.parked("replayed", foreign, second, 1, "")
		},
	},
	{
		"nobody is to be told of a parked message",
		want{checker.Lost, "a message is parked, and nobody is to be told", newOrder, second},
		func(b *books) {
			b.asked()
			b.parked("parked", newOrder, second, 1, "")
			b.exec(b.payments, "DELETE FROM notifications")
		},
	},
	{
		"somebody was not told of a parked message",
		want{checker.Lost, "a message is parked, and somebody was not told", newOrder, second},
		func(b *books) {
			b.asked()
			b.parked("discarded", newOrder, second, 1, "")
			b.exec(b.payments, "UPDATE notifications SET told_at = NULL")
		},
	},
	{
		"an instruction was parked too early",
		want{checker.Lost, "an instruction was parked before it was tried three times", newOrder, second},
		func(b *books) {
			b.asked()
			b.parked("parked", newOrder, second, 1, "")
			b.exec(b.payments, "UPDATE parked_messages SET attempts = 2")
		},
	},
	{
		"accepted for an order that is gone",
		want{checker.Lost, "accepted, and its order is gone", foreign, second},
		func(b *books) {
			b.accepted(foreign, second, 1, "settling")
		},
	},
	{
		"accepted, and the order was rolled back",
		want{checker.Lost, "accepted, and its order does not know it", newOrder, second},
		func(b *books) {
			b.accepted(newOrder, second, 1, "settling")
		},
	},
	{
		"accepted as one sequence, decided as another",
		want{checker.Lost, "decided as another instruction", paidOrder, first},
		func(b *books) {
			b.exec(b.payments, "UPDATE payment_numbers SET seq = 2")
		},
	},
	{
		"an order was answered and is gone",
		want{checker.Lost, "an order was answered", newOrder, ""},
		func(b *books) {
			b.exec(b.orders, "DELETE FROM orders WHERE id = ?", newOrder)
		},
	},
	{
		"a wallet was answered and is gone",
		want{checker.Lost, "a wallet was answered", "", ""},
		func(b *books) {
			b.exec(b.payments, "DELETE FROM accounts WHERE id = ?", bystander)
		},
	},
	{
		"a deposit was answered with another amount",
		want{checker.Lost, "a deposit was answered", "", deposit},
		func(b *books) {
			b.exec(b.payments, "UPDATE idempotency_keys SET result = ? WHERE idem_key = 'k-deposit'",
				depositResult(deposit, payer, 999))
		},
	},
	{
		"a deposit was answered and is gone",
		want{checker.Lost, "a deposit was answered", "", third},
		func(b *books) {
			b.key(b.payments, "k-lost", depositResult(third, payer, 5))
		},
	},
}

// keyFaults are keys without an answer, two keys with one answer, and effects that no key answers
// for.
var keyFaults = []fault{
	{"a key has no answer", want{checker.Key, "a key is taken and has no answer", "", ""}, func(b *books) {
		b.key(b.orders, "k-empty", "")
	}},
	{
		"two keys made one instruction",
		want{checker.Key, "two keys have the same answer", paidOrder, first},
		func(b *books) {
			b.key(b.orders, "k-again", `{"OrderID":"`+paidOrder+`","PaymentNo":"`+first+
				`","Seq":1,"Status":"settling"}`)
		},
	},
	{"an order of no key", want{checker.Key, "an order was made", newOrder, ""}, func(b *books) {
		b.exec(b.orders, "DELETE FROM idempotency_keys WHERE idem_key = 'k-new'")
	}},
	{
		"an instruction of no key",
		want{checker.Key, "an instruction was made", paidOrder, first},
		func(b *books) {
			b.exec(b.orders, "DELETE FROM idempotency_keys WHERE idem_key = ?", "k-"+first)
		},
	},
	{
		"an earlier instruction of no key",
		want{checker.Key, "an instruction was made", paidOrder, first},
		func(b *books) {
			b.refunded()
			b.applied(second, 2, "refund", "refunded")
			b.accepted(paidOrder, second, 2, "refunding")
			b.exec(b.orders, "UPDATE orders SET status = 'refunded', seq = 2, payment_no = ?, refunded_minor"+
				" ="+
				" 30 WHERE id = ?", second, paidOrder)
			b.exec(b.orders, "DELETE FROM idempotency_keys WHERE idem_key = ?", "k-"+first)
		},
	},
	{"a wallet of no key", want{checker.Key, "a wallet was made", "", ""}, func(b *books) {
		b.exec(b.payments, "DELETE FROM idempotency_keys WHERE idem_key = 'k-bystander'")
	}},
	{"one key deposited twice", want{checker.Key, "a deposit was made", "", second}, func(b *books) {
		b.entry(second, outside, -1000, "CNY", "deposit")
		b.entry(second, payer, 1000, "CNY", "deposit")
		b.exec(b.payments, "UPDATE accounts SET balance_minor = 1970 WHERE id = ?", payer)
	}},
}

func init() { faults = append(append(faults, lostFaults...), keyFaults...) }

// goodHistories look like faults and are none.
var goodHistories = []struct {
	name string
	put  func(b *books)
}{
	{"a refund", func(b *books) {
		b.refunded()
		b.applied(second, 2, "refund", "refunded")
		b.accepted(paidOrder, second, 2, "refunding")
		b.exec(b.orders, "UPDATE orders SET status = 'refunded', seq = 2, payment_no = ?, refunded_minor ="+
			" 30 WHERE id = ?", second, paidOrder)
	}},
	{"an accepted instruction is parked", func(b *books) {
		b.asked()
		b.parked("parked", newOrder, second, 1, "")
	}},
	{"an accepted instruction was parked as it came", func(b *books) {
		b.asked()
		b.parked("parked", "", "", 1, `{"version":2,"payment_no":"`+
			second+`","order_id":"`+newOrder+`","seq":1}`)
	}},
	{"an operator gave an accepted instruction up", func(b *books) {
		b.asked()
		b.parked("discarded", newOrder, second, 1, "")
	}},
	{"foreign orders, paid and waiting", func(b *books) {
		b.decided(foreign, second, 1, "settle", "paid")
		b.entry(second, payer, -30, "CNY", "settle")
		b.entry(second, merchant, 30, "CNY", "settle")
		b.exec(b.payments, "INSERT INTO order_progress (order_id, last_seq) VALUES (?, 1)", foreign)
		b.exec(b.payments, "UPDATE accounts SET balance_minor = 940 WHERE id = ?", payer)
		b.parked("waiting", foreign, third, 3, "")
		b.parked("parked", "", "", 4, "no JSON")
	}},
	{"a refused request", func(b *books) {
		b.exec(b.orders, "INSERT INTO idempotency_keys VALUES ('k-refused', 'h', '', 'order_not_settleable',"+
			" 'd', NOW())")
	}},
}
