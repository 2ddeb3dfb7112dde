package checker_test

import "settlement/e2e/checker"

// declined gives the paid order a second step that was declined, an hour after everything else.
func (b *books) declined(reason string) {
	b.t.Helper()
	b.decided(paidOrder, second, 2, "settle", "declined")
	b.exec(b.payments, "UPDATE payment_numbers SET reason = ?, amount_minor = 971, created_at = NOW() +"+
		" INTERVAL 1 HOUR WHERE payment_no = ?", reason, second)
	b.exec(b.payments, "UPDATE order_progress SET last_seq = 2")
	b.exec(b.orders, "UPDATE orders SET status = 'declined', reason = ?, seq = 2, payment_no = ?,"+
		" amount_minor = 971 WHERE id = ?", reason, second, paidOrder)

	b.exec(b.payments, "UPDATE payment_numbers SET amount_minor = 971 WHERE payment_no = ?", first)
	b.exec(b.payments, "UPDATE entries SET amount_minor = IF(amount_minor < 0, -971, 971) WHERE payment_no ="+
		" ?", first)
	b.exec(b.payments, "UPDATE accounts SET balance_minor = 29 WHERE id = ?", payer)

	b.accepted(paidOrder, second, 2, "settling")
	b.applied(second, 2, "settle", "declined")
	b.exec(b.orders, "UPDATE payments SET amount_minor = 971")
}

// The wallet had 1000, and the first settle has taken 971 of it.
var declineFaults = []fault{
	{
		"declined for want of money",
		want{checker.All, "declined for want of money that was there", paidOrder, second},
		func(b *books) {
			b.declined("insufficient_funds")
			b.exec(b.payments, "UPDATE payment_numbers SET amount_minor = 29 WHERE payment_no = ?", second)
		},
	},
	{
		"declined for money that another one took afterwards",
		want{checker.All, "declined for want of money that was there", paidOrder, second},
		func(b *books) {
			b.declined("insufficient_funds")
			b.exec(b.payments, "UPDATE payment_numbers SET id = (SELECT id FROM (SELECT MAX(id) + 1 AS id"+
				" FROM"+
				" payment_numbers) AS later),"+
				" created_at = NOW() + INTERVAL 2 HOUR WHERE payment_no = ?", first)
		},
	},
	{
		"declined for the wallet's own currency",
		want{checker.All, "declined for a currency that is the wallet's", paidOrder, second},
		func(b *books) {
			b.declined("currency_mismatch")
		},
	},
	{
		"declined as paid and was not",
		want{checker.All, "declined as paid already, and it was not", paidOrder, second},
		func(b *books) {
			b.declined("already_paid")
			b.exec(b.payments, "UPDATE payment_numbers SET outcome = 'declined', reason ="+
				" 'insufficient_funds'"+
				" WHERE payment_no = ?", first)
		},
	},
	{"declined for no reason", want{
		checker.All, "declined for a reason that nobody can check", paidOrder, second,
	}, func(b *books) {
		b.declined("")
	}},
}

func init() { faults = append(faults, declineFaults...) }

func init() {
	for name, put := range map[string]func(b *books){
		"declined for want of money that was gone": func(b *books) { b.declined("insufficient_funds") },
		// In one transaction, the order of the two is unknown.
		"declined beside a debit in one transaction": func(b *books) {
			b.declined("insufficient_funds")
			b.exec(b.payments, "UPDATE payment_numbers SET id = (SELECT id FROM (SELECT MAX(id) + 1 AS id"+
				" FROM payment_numbers) AS later),"+
				" created_at = (SELECT at FROM (SELECT MAX(created_at) AS at FROM payment_numbers) AS same)"+
				" WHERE payment_no = ?", first)
		},
		"declined while a deposit was under way": func(b *books) {
			b.declined("insufficient_funds")
			b.exec(b.payments, "UPDATE entries SET created_at = NOW() + INTERVAL 1 HOUR WHERE payment_no = ?",
				deposit)
		},
	} {
		goodHistories = append(goodHistories, struct {
			name string
			put  func(b *books)
		}{name, put})
	}
}
