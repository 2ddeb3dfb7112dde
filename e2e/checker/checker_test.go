package checker_test

import (
	"strings"
	"testing"
	"time"

	"settlement/e2e/checker"
	"settlement/e2e/stack/testdb"
	"settlement/migrations"
)

// eachBooks runs test on good books in every database server.
func eachBooks(t *testing.T, test func(t *testing.T, b *books, c *checker.Checker)) {
	t.Helper()
	testdb.Each(t, migrations.Order, func(t *testing.T, orders testdb.Database) {
		testdb.Each(t, migrations.Payment, func(t *testing.T, payments testdb.Database) {
			if payments.Config.Addr != orders.Config.Addr {
				return // one server for both is enough
			}

			c, err := checker.Open(dsn(orders), dsn(payments))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()

			b := &books{t: t, orders: open(t, orders), payments: open(t, payments)}
			b.good()
			test(t, b, c)
		})
	})
}

// in fails the test unless a violation of the wanted invariant begins with the wanted text and
// names the order and the payment number.
func (w want) in(t *testing.T, name string, found []checker.Violation, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}

	for _, v := range found {
		if v.Invariant == w.invariant && strings.HasPrefix(v.What, w.what) &&
			v.OrderID == w.order && v.PaymentNo == w.no {
			if !strings.Contains(v.Row, w.order) || !strings.Contains(v.Row, w.no) || v.Row == "" {
				t.Errorf("%s: the rows do not show it: %v", name, v)
			}
			return
		}
	}
	t.Errorf("%s: no violation %s %q of order %q and payment number %q in\n%s",
		name, w.invariant, w.what, w.order, w.no, lines(found))
}

func wantNone(t *testing.T, name string, found []checker.Violation, err error) {
	t.Helper()
	if err != nil || len(found) > 0 {
		t.Errorf("%s: error %v and violations\n%s", name, err, lines(found))
	}
}

func lines(found []checker.Violation) string {
	var all strings.Builder
	for _, v := range found {
		all.WriteString("  " + v.String() + "\n")
	}
	return all.String()
}

// Each fault is put into the good books alone, and has to be seen by the rule meant for it.
func TestEachFaultIsSeen(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		found, err := c.Check(t.Context())
		wantNone(t, "good books", found, err)

		for _, f := range faults {
			b.good()
			f.put(b)
			found, err := c.Check(t.Context())
			f.want.in(t, f.name, found, err)
		}
	})
}

func TestFaultsThatTheTablesForbid(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		b.dropConstraints()
		for _, f := range forbiddenFaults {
			b.good()
			f.put(b)
			found, err := c.Check(t.Context())
			f.want.in(t, f.name, found, err)
		}
	})
}

func TestGoodHistories(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		for _, h := range goodHistories {
			b.good()
			h.put(b)
			found, err := c.Check(t.Context())
			wantNone(t, h.name, found, err)
		}
	})
}

func TestViolationsComeByInvariant(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		b.exec(b.orders, "UPDATE orders SET status = 'settling' WHERE id = ?", paidOrder)
		b.exec(b.payments, "UPDATE accounts SET balance_minor = 1 WHERE id = ?", payer)
		b.exec(b.payments, "DELETE FROM idempotency_keys WHERE idem_key = 'k-bystander'")

		found, err := c.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}

		var sequence []string
		for _, v := range found {
			if n := len(sequence); n == 0 || sequence[n-1] != string(v.Invariant) {
				sequence = append(sequence, string(v.Invariant))
			}
		}

		if got := strings.Join(sequence, ""); got != "MLOK" {
			t.Errorf("sequence is %s, want MLOK:\n%s", got, lines(found))
		}
	})
}

func TestADatabaseThatIsAwayIsAnError(t *testing.T) {
	c, err := checker.Open("u:p@tcp(127.0.0.1:1)/orders", "u:p@tcp(127.0.0.1:1)/payments")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	if found, err := c.Check(t.Context()); err == nil {
		t.Errorf("no error and violations %v", found)
	}
}

func TestRecovered(t *testing.T) {
	for took, want := range map[time.Duration]int{0: 0, 90 * time.Second: 0, 91 * time.Second: 1, -1: 1} {
		found := checker.Recovered(took, 90*time.Second)
		if len(found) != want || want == 1 && found[0].Invariant != checker.Recovery {
			t.Errorf("recovered in %s: %v, want %d violations of R", took, found, want)
		}
	}
}
