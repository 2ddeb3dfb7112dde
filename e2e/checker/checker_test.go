package checker_test

import (
	"database/sql"
	"fmt"
	"testing"

	"settlement/e2e/checker"
	"settlement/e2e/stack/testdb"
	"settlement/migrations"
)

const (
	paidOrder = "0198f1a2-0000-7000-8000-00000000000a"
	newOrder  = "0198f1a2-0000-7000-8000-00000000000b"
	payer     = "0198f1a2-0000-7000-8000-00000000000c"
	bystander = "0198f1a2-0000-7000-8000-00000000000d"
	first     = "0198f1a2-0000-7000-8000-0000000000a1"
	second    = "0198f1a2-0000-7000-8000-0000000000a2"
	third     = "0198f1a2-0000-7000-8000-0000000000a3"
	deposit   = "0198f1a2-0000-7000-8000-0000000000d1"
	merchant  = "00000000-0000-7000-8000-000000000001"
	outside   = "00000000-0000-7000-8000-000000000002"
)

// history is a pair of databases with a hand-made history in them.
type history struct {
	t                *testing.T
	orders, payments *sql.DB
}

func (h history) exec(db *sql.DB, query string, args ...any) {
	h.t.Helper()
	if _, err := db.ExecContext(h.t.Context(), query, args...); err != nil {
		h.t.Fatal(err)
	}
}

func (h history) entry(no, account string, minor int, currency, kind string) {
	h.t.Helper()
	h.exec(h.payments, "INSERT INTO entries (payment_no, account_id, amount_minor, currency, kind, created_at) VALUES (?, ?, ?, ?, ?, NOW())",
		no, account, minor, currency, kind)
}

// moved records a decided number of the paid order and its two entries; refunds are negative.
func (h history) moved(no string, seq int, kind, outcome string, minor int) {
	h.t.Helper()
	h.exec(h.payments, "INSERT INTO payment_numbers (payment_no, order_id, seq, type, outcome, reason, account_id, amount_minor, currency, created_at)"+
		" VALUES (?, ?, ?, ?, ?, '', ?, 30, 'CNY', NOW())", no, paidOrder, seq, kind, outcome, payer)
	h.entry(no, payer, -minor, "CNY", kind)
	h.entry(no, merchant, minor, "CNY", kind)
	h.exec(h.payments, "UPDATE order_progress SET last_seq = ?", seq)
}

func (h history) applied(no string, seq int, kind, outcome string) {
	h.t.Helper()
	h.exec(h.orders, "INSERT INTO payments VALUES (?, ?, ?, ?, ?, NOW())", no, paidOrder, kind, seq, outcome)
}

// good is a history without a fault: a deposit of 1000, an order paid with 30, a new order.
func (h history) good() {
	h.t.Helper()
	for _, table := range []string{"accounts", "payment_numbers", "entries", "order_progress", "outbox", "parked_messages"} {
		h.exec(h.payments, "DELETE FROM "+table)
	}
	for _, table := range []string{"orders", "payments", "outbox"} {
		h.exec(h.orders, "DELETE FROM "+table)
	}
	h.exec(h.payments, "INSERT INTO accounts VALUES (?, 'o', 'CNY', 970, NOW()), (?, 'o', 'CNY', 0, NOW())", payer, bystander)
	h.exec(h.payments, "INSERT INTO order_progress VALUES (?, 0)", paidOrder)
	h.entry(deposit, outside, -1000, "CNY", "deposit")
	h.entry(deposit, payer, 1000, "CNY", "deposit")
	h.moved(first, 1, "settle", "paid", 30)
	h.exec(h.orders, "INSERT INTO orders VALUES (?, 'c', ?, 30, 'CNY', '', 'paid', ?, '', 1, NOW(), NOW()),"+
		" (?, 'c', ?, 30, 'CNY', '', 'created', NULL, '', 0, NOW(), NOW())", paidOrder, payer, first, newOrder, payer)
	h.applied(first, 1, "settle", "paid")
}

// Each fault is put into the good history alone, and has to be seen under its invariant.
func TestEachFaultIsSeen(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, orders testdb.Database) {
		testdb.Each(t, migrations.Payment, func(t *testing.T, payments testdb.Database) {
			h := history{t: t, orders: open(t, orders), payments: open(t, payments)}
			c, err := checker.Open(dsn(orders), dsn(payments))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			h.good()
			if found, err := c.Check(t.Context()); err != nil || len(found) > 0 {
				t.Fatalf("a good history: %v, %v", found, err)
			}
			for _, f := range faults {
				h.good()
				f.put(h)
				found, err := c.Check(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				seen := false
				for _, v := range found {
					seen = seen || v.Invariant == f.invariant
				}
				if !seen {
					t.Errorf("%s: not seen under %s, found %v", f.name, f.invariant, found)
				}
			}
		})
	})
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
