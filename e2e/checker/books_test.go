package checker_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"settlement/e2e/stack/testdb"
)

const (
	paidOrder = "0198f1a2-0000-7000-8000-00000000000a"
	newOrder  = "0198f1a2-0000-7000-8000-00000000000b"
	foreign   = "0198f1a2-0000-7000-8000-0000000000f0" // an order that order-service does not have
	payer     = "0198f1a2-0000-7000-8000-00000000000c"
	bystander = "0198f1a2-0000-7000-8000-00000000000d"
	first     = "0198f1a2-0000-7000-8000-0000000000a1"
	second    = "0198f1a2-0000-7000-8000-0000000000a2"
	third     = "0198f1a2-0000-7000-8000-0000000000a3"
	deposit   = "0198f1a2-0000-7000-8000-0000000000d1"
	merchant  = "00000000-0000-7000-8000-000000000001"
	outside   = "00000000-0000-7000-8000-000000000002"
)

// books are a pair of databases with a hand-made history in them.
type books struct {
	t                *testing.T
	orders, payments execer
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// good writes the books anew, in one transaction for each database: a hundred single commits would
// take most of a test's time.
func (b *books) good() {
	b.t.Helper()
	orders, payments := b.orders, b.payments
	defer func() { b.orders, b.payments = orders, payments }()

	var commits []func() error
	for _, db := range []*execer{&b.orders, &b.payments} {
		tx, err := (*db).(*sql.DB).BeginTx(b.t.Context(), nil)
		if err != nil {
			b.t.Fatal(err)
		}
		*db, commits = tx, append(commits, tx.Commit)
	}

	b.write()
	for _, commit := range commits {
		if err := commit(); err != nil {
			b.t.Fatal(err)
		}
	}
}

// write is a history without a fault: a deposit of 1000, an order paid with 30, a new order.
func (b *books) write() {
	b.t.Helper()
	for _, table := range []string{
		"accounts", "payment_numbers", "entries", "order_progress", "outbox", "parked_messages",
		"notifications", "points_balances", "points_history", "journal_pending", "idempotency_keys",
	} {
		b.exec(b.payments, "DELETE FROM "+table)
	}
	for _, table := range []string{
		"orders", "payments", "customers", "outbox", "parked_messages", "idempotency_keys",
	} {
		b.exec(b.orders, "DELETE FROM "+table)
	}

	b.exec(b.payments, "INSERT INTO accounts VALUES (?, 'o', 'CNY', 970, NOW()), (?, 'o', 'CNY', 0, NOW())",
		payer, bystander)
	for name, id := range map[string]string{"payer": payer, "bystander": bystander} {
		b.key(b.payments, "k-"+name, walletResult(id))
	}
	b.key(b.payments, "k-deposit", depositResult(deposit, payer, 1000))
	b.entry(deposit, outside, -1000, "CNY", "deposit")
	b.entry(deposit, payer, 1000, "CNY", "deposit")

	b.exec(b.orders, "INSERT INTO orders (id, customer_id, account_id, amount_minor, currency, description,"+
		" status, payment_no, reason, seq, created_at, updated_at)"+
		" VALUES (?, 'c', ?, 30, 'CNY', '', 'paid', ?, '', 1, NOW(), NOW()),"+
		" (?, 'c', ?, 30, 'CNY', '', 'created', NULL, '', 0, NOW(), NOW())", paidOrder, payer, first,
		newOrder, payer)
	b.key(b.orders, "k-order", orderResult(paidOrder))
	b.key(b.orders, "k-new", orderResult(newOrder))
	b.accepted(paidOrder, first, 1, "settling")

	b.exec(b.payments, "INSERT INTO order_progress (order_id, last_seq) VALUES (?, 0)", paidOrder)
	b.moved(first, 1, "settle", "paid", 30)
	b.applied(first, 1, "settle", "paid")
}

func (b *books) exec(db execer, query string, args ...any) {
	b.t.Helper()
	if _, err := db.ExecContext(b.t.Context(), query, args...); err != nil {
		b.t.Fatal(err)
	}
}

// key remembers an answer as the services do: by the names of their own structs.
func (b *books) key(db execer, key, result string) {
	b.t.Helper()
	b.exec(db, "INSERT INTO idempotency_keys VALUES (?, 'h', ?, '', '', NOW())", key, result)
}

func walletResult(id string) string {
	return fmt.Sprintf(`{"ID":%q,"Owner":"o","Balance":{"currency":"CNY","minor":0},"CreatedAt":"2026-01-02T03:04:05.000006Z"}`,
		id)
}

func depositResult(no, account string, minor int) string {
	return fmt.Sprintf(`{"DepositNo":%q,"AccountID":%q,"Amount":{"currency":"CNY","minor":%d},"Balance":{"currency":"CNY","minor":%d},"CreatedAt":"2026-01-02T03:04:05Z"}`,
		no, account, minor, minor)
}

func orderResult(id string) string {
	return fmt.Sprintf(`{"ID":%q,"CustomerID":"c","AccountID":%q,"Amount":{"currency":"CNY","minor":30},"Description":"","Status":"created",`+
		`"PaymentNo":"","Reason":"","Seq":0,"CreatedAt":"2026-01-02T03:04:05Z","UpdatedAt":"2026-01-02T03:04:05Z"}`, id, payer)
}

// accepted remembers that an instruction was accepted, under the key "k-" and its number.
func (b *books) accepted(order, no string, seq int, status string) {
	b.t.Helper()
	b.key(b.orders, "k-"+no, fmt.Sprintf(`{"OrderID":%q,"PaymentNo":%q,"Seq":%d,"Status":%q}`,
		order, no, seq, status))
}

// asked has the new order settle under the second number: accepted, and on its way.
func (b *books) asked() {
	b.t.Helper()
	b.accepted(newOrder, second, 1, "settling")
	b.exec(b.orders, "UPDATE orders SET status = 'settling', seq = 1, payment_no = ? WHERE id = ?",
		second, newOrder)
}

func (b *books) entry(no, account string, minor int, currency, kind string) {
	b.t.Helper()
	b.exec(b.payments, "INSERT INTO entries (payment_no, account_id, amount_minor, currency, kind,"+
		" created_at) VALUES (?, ?, ?, ?, ?, NOW())",
		no, account, minor, currency, kind)
}

// moved records a decided number of the paid order and its two entries; refunds are negative.
func (b *books) moved(no string, seq int, kind, outcome string, minor int) {
	b.t.Helper()
	b.decided(paidOrder, no, seq, kind, outcome)
	b.entry(no, payer, -minor, "CNY", kind)
	b.entry(no, merchant, minor, "CNY", kind)
	b.exec(b.payments, "UPDATE order_progress SET last_seq = ?", seq)
}

func (b *books) decided(order, no string, seq int, kind, outcome string) {
	b.t.Helper()
	b.exec(b.payments, "INSERT INTO payment_numbers (payment_no, order_id, seq, type, outcome, reason,"+
		" account_id, amount_minor, currency, created_at)"+
		" VALUES (?, ?, ?, ?, ?, '', ?, 30, 'CNY', NOW())", no, order, seq, kind, outcome, payer)
}

func (b *books) applied(no string, seq int, kind, outcome string) {
	b.t.Helper()
	b.exec(b.orders, "INSERT INTO payments (payment_no, order_id, type, seq, outcome, amount_minor,"+
		" occurred_at) VALUES (?, ?, ?, ?, ?, 30, NOW())", no, paidOrder, kind, seq, outcome)
}

// refunded adds a refund to the paid order. order-service has not learnt of it yet.
func (b *books) refunded() {
	b.t.Helper()
	b.moved(second, 2, "refund", "refunded", -30)
	b.exec(b.payments, "UPDATE accounts SET balance_minor = 1000 WHERE id = ?", payer)
}

// parked adds a parked message whose notice was told. Without a number, the message was parked as
// it came.
func (b *books) parked(state, order, no string, seq int, payload string) {
	b.t.Helper()
	var noColumn, orderColumn, seqColumn any
	if no != "" {
		noColumn, orderColumn, seqColumn = no, order, seq
	}

	b.exec(b.payments, "INSERT INTO parked_messages (id, state, cause, topic, queue_id, queue_offset,"+
		" message_id, payment_no, order_id, seq, payload,"+
		" payload_sha256, properties, reason, attempts, resolution, created_at, updated_at)"+
		" VALUES (UUID(), ?, 'failed', 'settlement', 0, ?, 'm', ?, ?, ?, ?, '', '{}', 'r', 3, '', NOW(),"+
		" NOW())",
		state, seq, noColumn, orderColumn, seqColumn, payload)
	b.exec(b.payments, "INSERT INTO notifications (id, parked_id, channel, body, attempts, next_try_at,"+
		" last_error, created_at, told_at)"+
		" SELECT UUID(), id, 'log', '', 1, NOW(), '', NOW(), NOW() FROM parked_messages WHERE queue_offset ="+
		" ?", seq)
}

// dropConstraints drops the keys and the check that keep some faults out of the tables.
func (b *books) dropConstraints() {
	b.t.Helper()
	b.exec(b.orders, "ALTER TABLE payments DROP PRIMARY KEY, DROP INDEX payments_by_order")
	b.exec(b.payments, "ALTER TABLE payment_numbers DROP INDEX payment_numbers_payment_no")
	b.exec(b.payments, "ALTER TABLE payment_numbers DROP INDEX payment_numbers_by_order")
	b.exec(b.payments, "ALTER TABLE entries DROP INDEX entries_once")
	// MySQL before 8.0.16 reads the constraint and forgets it.
	_, _ = b.payments.ExecContext(b.t.Context(), "ALTER TABLE accounts DROP CONSTRAINT accounts_not_negative")
}

func dsn(d testdb.Database) string {
	c := d.Config
	return fmt.Sprintf("%s:%s@tcp(%s)/%s", c.User, c.Password, c.Addr, c.Name)
}

func open(t *testing.T, d testdb.Database) *sql.DB {
	t.Helper()
	db, err := d.Pool.SQL()
	if err != nil {
		t.Fatal(err)
	}
	return db
}
