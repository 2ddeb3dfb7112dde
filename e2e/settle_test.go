package e2e_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"settlement/e2e/client"
	"settlement/e2e/wait"
)

func TestPaidRefundedAndSettledAgain(t *testing.T) {
	s := openShop(t)
	wallet := s.wallet(5000)
	order := s.order(wallet, 1999)

	first := s.settle(order)
	if first.Seq != 1 || first.Status != "settling" || first.OrderID != order {
		t.Errorf("accepted %+v", first)
	}
	if o := s.wantStatus(order, "paid", quickly); o.PaymentNo != first.PaymentNo || o.Seq != 1 {
		t.Errorf("paid %+v, want payment number %s", o, first.PaymentNo)
	}
	s.wantBalance(wallet, 5000-1999)

	refund, err := s.api.Refund(t.Context(), key(), order)
	if err != nil || refund.Seq != 2 {
		t.Fatalf("refund accepted as %+v, %v", refund, err)
	}
	s.wantStatus(order, "refunded", quickly)
	s.wantBalance(wallet, 5000)

	if again := s.settle(order); again.Seq != 3 {
		t.Errorf("settled again as %+v", again)
	}
	s.wantStatus(order, "paid", quickly)
	s.wantBalance(wallet, 5000-1999)
	s.wantBooksRight(quickly)
}

func TestDeclinedAndPaidAfterADeposit(t *testing.T) {
	s := openShop(t)
	wallet := s.wallet(1000)
	order := s.order(wallet, 1999)
	s.settle(order)
	if o := s.wantStatus(order, "declined", quickly); o.Reason != "insufficient_funds" {
		t.Errorf("declined because of %q", o.Reason)
	}

	if err := s.api.Deposit(t.Context(), key(), wallet, cny(1000)); err != nil {
		t.Fatal(err)
	}
	s.settle(order)
	if o := s.wantStatus(order, "paid", quickly); o.Reason != "" || o.Seq != 2 {
		t.Errorf("paid %+v", o)
	}
	s.wantBalance(wallet, 1)

	stranger := s.order(key(), 1999)
	s.settle(stranger)
	if o := s.wantStatus(stranger, "declined", quickly); o.Reason != "unknown_account" {
		t.Errorf("declined because of %q", o.Reason)
	}
	s.wantBooksRight(quickly)
}

func TestADoubleClickPaysOnce(t *testing.T) {
	s := openShop(t)
	wallet := s.wallet(100_000)
	for range 10 {
		order := s.order(wallet, 1000)
		var clicks sync.WaitGroup
		answers := make(chan error, 2)
		for range 2 {
			clicks.Go(func() {
				_, err := s.api.Settle(t.Context(), key(), order) // two keys: two requests
				answers <- err
			})
		}
		clicks.Wait()

		first, second := <-answers, <-answers
		if (first == nil) == (second == nil) {
			t.Fatalf("two clicks were answered %v and %v, want one accepted", first, second)
		}
		if refused := errors.Join(first, second); !client.IsProblem(first, "order_not_settleable") &&
			!client.IsProblem(second, "order_not_settleable") {
			t.Errorf("the second click got %v", refused)
		}
		s.wantStatus(order, "paid", quickly)
	}

	s.wantBalance(wallet, 100_000-10*1000)
	s.wantBooksRight(quickly)
}

func TestTheSameKeyIsOneInstruction(t *testing.T) {
	s := openShop(t)
	wallet := s.wallet(5000)
	order := s.order(wallet, 1000)
	click := key()
	first, err := s.api.Settle(t.Context(), click, order)
	if err != nil {
		t.Fatal(err)
	}
	s.wantStatus(order, "paid", quickly)

	again, err := s.api.Settle(t.Context(), click, order)
	if err != nil || again != first {
		t.Errorf("the retry got %+v, %v; the first answer was %+v", again, err, first)
	}
	s.wantBalance(wallet, 4000)
	s.wantBooksRight(quickly)
}

func TestAPoisonMessageIsParkedAndTheRestGoesOn(t *testing.T) {
	s := openShop(t)
	wallet := s.wallet(100_000)
	before, err := s.api.ParkedIn(t.Context(), "parked")
	if err != nil {
		t.Fatal(err)
	}

	raw := openPublisher(t)
	poison := []string{"not JSON", `{"version":99}`, `{"version":1,"type":"settle"}`}
	for queue := range 8 {
		for _, body := range poison {
			raw.send(queue, body)
		}
	}

	orders := s.orders(20, wallet, 100)
	s.settleAll(orders, noChaos)
	for _, id := range orders {
		s.wantStatus(id, "paid", quickly)
	}

	wait.Until(t, quickly, func() error {
		after, err := s.api.ParkedIn(t.Context(), "parked")
		if got, want := len(after)-len(before), 8*len(poison); err == nil && got != want {
			err = fmt.Errorf("%d messages were parked, want %d", got, want)
		}
		return err
	})
	s.wantBalance(wallet, 100_000-20*100)
	s.wantBooksRight(quickly)
}
