package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"settlement/e2e/stack/service"
	"settlement/e2e/traffic"
	"settlement/e2e/wait"
	"settlement/shared/settlement"
)

// wantPoints waits until all changes of a customer's points have taken effect, and wants to see
// these numbers, one after the other.
func (s *shop) wantPoints(customer string, was ...int64) {
	s.t.Helper()
	wait.Until(s.t, recovery, func() error {
		p, err := s.api.Points(s.t.Context(), customer)
		if err == nil && p.Seq != int64(len(was)) {
			err = fmt.Errorf("%d changes of points have taken effect, want %d", p.Seq, len(was))
		}
		return err
	})

	p, err := s.api.Points(s.t.Context(), customer)
	if err != nil {
		s.t.Fatal(err)
	}

	var numbers []int64
	for _, c := range slices.Backward(p.History) {
		numbers = append(numbers, c.Points)
	}
	if !slices.Equal(numbers, was) || p.Points != was[len(was)-1] {
		s.t.Errorf("points were %v and are %d, want %v", numbers, p.Points, was)
	}
}

// Set and add do not commute, so every repeat and every change out of its sequence would show in
// the numbers.
func TestPointsNeverPassThroughAWrongNumber(t *testing.T) {
	const customers, orders = 8, 4
	s := openShop(t)
	repeater, err := traffic.NewRepeater(t.Context(), running.NamesrvAddr, settlement.TopicPoints, 4, 1)
	if err != nil {
		t.Fatal(err)
	}

	group, ctx := errgroup.WithContext(t.Context())
	wallet := s.wallet(customers * orders * 100)
	members := make([]string, customers)
	for i := range members {
		who, err := s.api.Register(t.Context(), key(), fmt.Sprint("customer ", i))
		if err != nil {
			t.Fatal(err)
		}
		members[i] = who.ID
		group.Go(func() error { return s.live(ctx, who.ID, wallet, orders) })
	}

	group.Go(func() error {
		payment := running.Service(service.Payment)
		if err := s.firstDecided(ctx, wallet); err != nil {
			return err
		}
		if err := payment.Kill(); err != nil {
			return err
		}
		if err := payment.Start(ctx); err != nil {
			return err
		}
		return payment.WaitReady(ctx)
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}

	for _, id := range members {
		s.wantPoints(id, 10, 12, 9, 11, 8, 10, 7, 9, 6)
	}
	s.quiet(recovery)
	if err := repeater.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := repeater.Published(); n < customers*orders {
		t.Fatalf("only %d repeats were published: that tests nothing", n)
	}
	s.wantBooksRight(quickly)
}

// live has a customer buy, and misbehave each time an order is paid.
func (s *shop) live(ctx context.Context, customer, wallet string, orders int) error {
	for range orders {
		o, err := s.api.CreateOrder(ctx, key(), customer, wallet, cny(100))
		if err != nil {
			return err
		}
		if _, err := s.api.Settle(ctx, key(), o.ID); err != nil {
			return err
		}

		err = wait.For(ctx, recovery, func(ctx context.Context) error {
			now, err := s.api.Order(ctx, o.ID)
			if err == nil && now.Status != "paid" {
				err = fmt.Errorf("order %s is %s", o.ID, now.Status)
			}
			return err
		})
		if err != nil {
			return err
		}

		if err := s.api.Misconduct(ctx, key(), customer); err != nil {
			return err
		}
	}
	return nil
}
