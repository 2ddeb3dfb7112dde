package e2e_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"settlement/e2e/checker"
	"settlement/e2e/client"
	"settlement/e2e/traffic"
	"settlement/e2e/wait"
	"settlement/shared/money"
	"settlement/shared/rocketmq"
)

const (
	// quickly is how long a settlement may take on a healthy stack.
	quickly = 30 * time.Second
	// recovery is how long one may take after a fault: a killed consumer's queues are
	// locked for 25 s, and shared out anew every 20 s.
	recovery = 90 * time.Second
	workers  = 8
)

// shop places orders and looks at what becomes of them.
type shop struct {
	t     *testing.T
	api   *client.Client
	admin *rocketmq.Admin
	check *checker.Checker
	books *sql.DB // payments database
}

func openShop(t *testing.T) *shop {
	t.Helper()
	admin, err := rocketmq.NewAdmin(running.NamesrvAddr)
	if err != nil {
		t.Fatal(err)
	}
	check, err := checker.Open(running.OrderDSN, running.PaymentDSN)
	if err != nil {
		t.Fatal(err)
	}
	books, err := sql.Open("mysql", running.PaymentDSN)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		check.Close()
		_, _ = admin.Close(), books.Close()
	})
	return &shop{
		t: t, api: client.New(running.OrderURL, running.PaymentURL, nil), admin: admin, check: check,
		books: books,
	}
}

func key() string { return uuid.NewString() }

func cny(minor int64) money.Money { return money.Money{Currency: money.CNY, Minor: minor} }

func (s *shop) wallet(minor int64) string {
	s.t.Helper()
	a, err := s.api.CreateAccount(s.t.Context(), key(), "somebody", money.CNY)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.api.Deposit(s.t.Context(), key(), a.ID, cny(minor)); err != nil {
		s.t.Fatal(err)
	}
	return a.ID
}

func (s *shop) order(wallet string, minor int64) string {
	s.t.Helper()
	o, err := s.api.CreateOrder(s.t.Context(), key(), "customer", wallet, cny(minor))
	if err != nil {
		s.t.Fatal(err)
	}
	return o.ID
}

func (s *shop) orders(n int, wallet string, minor int64) []string {
	s.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = s.order(wallet, minor)
	}
	return ids
}

func (s *shop) settle(order string) client.Accepted {
	s.t.Helper()
	a, err := s.api.Settle(s.t.Context(), key(), order)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// settleAll settles orders side by side, while chaos runs beside it.
func (s *shop) settleAll(orders []string, chaos func(ctx context.Context) error) {
	s.t.Helper()
	group, ctx := errgroup.WithContext(s.t.Context())
	group.SetLimit(workers + 1)
	group.Go(func() error { return chaos(ctx) })
	for _, id := range orders {
		group.Go(func() error {
			_, err := s.api.Settle(ctx, key(), id)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		s.t.Fatal(err)
	}
}

func noChaos(context.Context) error { return nil }

// wantStatus waits until an order has a status and returns it.
func (s *shop) wantStatus(order, status string, limit time.Duration) (o client.Order) {
	s.t.Helper()
	wait.Until(s.t, limit, func() (err error) {
		if o, err = s.api.Order(s.t.Context(), order); err != nil {
			return err
		}
		if o.Status != status {
			return fmt.Errorf("order %s is %s, want %s", order, o.Status, status)
		}
		return nil
	})
	return o
}

func (s *shop) wantBalance(wallet string, minor int64) {
	s.t.Helper()
	a, err := s.api.Account(s.t.Context(), wallet)
	if err != nil {
		s.t.Fatal(err)
	}
	if a.Balance != cny(minor) {
		s.t.Errorf("wallet %s holds %s, want %s", wallet, a.Balance, cny(minor))
	}
}

// quiet waits until every message was acknowledged.
func (s *shop) quiet(limit time.Duration) {
	s.t.Helper()
	wait.Until(s.t, limit, func() error { return traffic.Quiet(s.t.Context(), s.admin) })
}

// wantBooksRight waits until the stack is quiet and every invariant holds.
func (s *shop) wantBooksRight(limit time.Duration) {
	s.t.Helper()
	s.quiet(limit)
	wait.Until(s.t, limit, func() error {
		violations, err := s.check.Check(s.t.Context())
		if err != nil {
			return err
		}
		var all []error
		for _, v := range violations {
			all = append(all, errors.New(v.String()))
		}
		return errors.Join(all...)
	})
}

// firstDecided returns when an instruction about the wallet was decided.
func (s *shop) firstDecided(ctx context.Context, wallet string) error {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()

	for {
		var n int
		err := s.books.QueryRowContext(ctx, "SELECT COUNT(*) FROM payment_numbers WHERE account_id = ?",
			wallet).Scan(&n)
		if err != nil || n > 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}

// count asks the payments database for one number.
func (s *shop) count(query string, args ...any) (n int64) {
	s.t.Helper()
	if err := s.books.QueryRowContext(s.t.Context(), query, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}
