// Package checker looks from outside, at both databases, the topics and what clients were
// told, and says whether the promises hold.
//
// It is meant for a quiet system: nothing is under way, and every message is consumed. On any other
// system it may report work that is only not done yet, so ask again until it finds nothing.
// Everything in the databases must have come through the services' APIs or topics: an order, a
// wallet or a deposit that no request made is a violation.
package checker

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"

	_ "github.com/go-sql-driver/mysql" // the driver that the DSNs are for
)

// Invariant names a promise.
type Invariant string

// The invariants.
const (
	Money    Invariant = "M" // entries sum to zero, wallets are deposits - debits + refunds and not negative
	Double   Invariant = "D" // at most one debit per payment number, one success per order at a time
	Lost     Invariant = "L" // every accepted instruction has ended or is parked, nothing waits in an outbox
	Order    Invariant = "O" // per order, effects in sequence without a gap
	All      Invariant = "A" // payment number, entries, outcome and order status: all or none
	Key      Invariant = "K" // one Idempotency-Key, one answer; an unknown outcome resolved once, one way
	Recovery Invariant = "R" // everything right again within the limit after a fault's end
)

// Violation is one thing that must not be: which promise, and the rows that show it.
type Violation struct {
	Invariant Invariant
	What      string
	OrderID   string // empty when it is about no order
	PaymentNo string // a payment number or a deposit's number, empty when it is about neither
	Row       string // column=value of the offending rows, the two above among them
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s: %s", v.Invariant, v.What, v.Row)
}

// Checker reads the two databases. It is safe for concurrent use.
type Checker struct {
	orders   *sql.DB
	payments *sql.DB
	answers  sync.Map // decoded answers of idempotency keys: *answer by its JSON
}

// Open takes DSNs in go-sql-driver form that may read every table. It does not dial.
func Open(orderDSN, paymentDSN string) (*Checker, error) {
	orders, err := sql.Open("mysql", orderDSN)
	if err != nil {
		return nil, fmt.Errorf("orders database: %w", err)
	}
	payments, err := sql.Open("mysql", paymentDSN)
	if err != nil {
		return nil, fmt.Errorf("payments database: %w", err)
	}
	return &Checker{orders: orders, payments: payments}, nil
}

// Close closes the connections. A connection that the server has left already is no error: the
// checker only reads.
func (c *Checker) Close() {
	_, _ = c.orders.Close(), c.payments.Close()
}

// Check returns every violation of M, D, L, O, A and K that the two databases show, in that
// order; none means that the promises hold. An error means that it could not look.
func (c *Checker) Check(ctx context.Context) ([]Violation, error) {
	var f findings
	err := c.look(ctx, func(s *state) {
		s.checkEntries(&f)
		s.checkWallets(&f)
		s.checkSequences(&f)
		s.checkDeclines(&f)
		s.checkApplied(&f)
		s.checkAcross(&f)
		s.checkEnded(&f)
		s.checkWaiting(&f)
		s.checkParked(&f)
		s.checkPoints(&f)
		s.checkUnplaced(&f)
		s.checkKeys(&f)
	})
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	return f.sorted(), nil
}

// findings collects violations.
type findings []Violation

// add adds a violation. columns are name, value, name, value…; add puts the order and the payment
// number before them.
func (f *findings) add(i Invariant, what, orderID, paymentNo string, columns ...any) {
	var row strings.Builder
	column := func(name, value any) {
		if row.Len() > 0 {
			row.WriteByte(' ')
		}
		fmt.Fprintf(&row, "%v=%+v", name, value)
	}

	if orderID != "" {
		column("order_id", orderID)
	}
	if paymentNo != "" {
		column("payment_no", paymentNo)
	}
	for n := 0; n+1 < len(columns); n += 2 {
		column(columns[n], columns[n+1])
	}

	*f = append(*f, Violation{
		Invariant: i, What: what, OrderID: orderID, PaymentNo: paymentNo, Row: row.String(),
	})
}

// sorted is the findings by invariant, order and payment number.
func (f findings) sorted() []Violation {
	const sequence = string(Money + Double + Lost + Order + All + Key + Recovery)
	slices.SortStableFunc(f, func(a, b Violation) int {
		return cmp.Or(
			cmp.Compare(strings.Index(sequence, string(a.Invariant)),
				strings.Index(sequence, string(b.Invariant))),
			cmp.Compare(a.OrderID, b.OrderID), cmp.Compare(a.PaymentNo, b.PaymentNo),
			cmp.Compare(a.What, b.What), cmp.Compare(a.Row, b.Row))
	})
	return f
}
