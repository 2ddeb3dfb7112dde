package e2e_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/http"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

// Clients that all want one wallet wait for it, and no others do: another wallet's order is paid
// and both services are ready, while the first wallet is locked the whole time.
func TestOneLockedWalletHoldsUpNobodyElse(t *testing.T) {
	s := openShop(t)
	held, free := s.wallet(100_000), s.wallet(100_000)
	db, err := sql.Open("mysql", running.PaymentDSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	holder, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback() }()
	if _, err := holder.ExecContext(t.Context(), "SELECT 1 FROM accounts WHERE id = ? FOR UPDATE",
		held); err != nil {
		t.Fatal(err)
	}

	const clients = 48
	stop, answers := make(chan struct{}), make(chan error, clients)
	for range clients {
		go func() {
			for {
				err := wantBusy(t, running.PaymentURL+"/v1/accounts/"+held+"/deposits")
				select {
				case <-stop:
					answers <- err
					return
				default:
					if err != nil {
						answers <- err
						return
					}
				}
			}
		}()
	}

	for range 3 {
		order := s.order(free, 100)
		s.settle(order)
		s.wantStatus(order, "paid", quickly)
		for _, url := range []string{running.PaymentURL, running.OrderURL} {
			if status := get(t, url+"/readyz"); status != http.StatusOK {
				t.Errorf("%s is %d while a wallet is locked", url, status)
			}
		}
	}

	close(stop)
	for range clients {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if err := holder.Rollback(); err != nil {
		t.Fatalf("the wallet was not locked until the end: %v", err)
	}
	s.wantBalance(held, 100_000)
	s.wantBooksRight(quickly)
}

// wantBusy asks for a deposit once. It is an error when the answer is anything but "later", with a
// time.
func wantBusy(t *testing.T, url string) error {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url,
		bytes.NewBufferString(`{"amount":{"currency":"CNY","minor":1}}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key())

	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	// At most 2 s for a turn among the transactions, and the lock wait of a second.
	const soon = 6 * time.Second
	if took := time.Since(began); res.StatusCode != http.StatusServiceUnavailable ||
		res.Header.Get("Retry-After") == "" || took > soon {
		return fmt.Errorf("a deposit into a locked wallet: %s after %s, Retry-After %q; want 503 with one",
			res.Status, took, res.Header.Get("Retry-After"))
	}
	return nil
}

func get(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
