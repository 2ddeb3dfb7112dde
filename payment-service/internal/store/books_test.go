package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/wait"
	"settlement/payment-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/money"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// books is a store under test and the questions that tests ask of its database.
type books struct {
	t     *testing.T
	pool  *dbtx.Pool
	store *store.Store
}

func openBooks(t *testing.T, pool *dbtx.Pool) *books {
	t.Helper()
	return &books{t: t, pool: pool, store: newStore(pool)}
}

func cny(minor int64) money.Money { return money.Money{Currency: money.CNY, Minor: minor} }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// received is an instruction under a new payment number, as it would come from offset.
func received(
	t settlement.InstructionType, orderID string, seq int64, account string, amount money.Money, offset int64,
) store.Received {
	in := settlement.Instruction{
		Version: settlement.Version, Type: t, PaymentNo: newID(), OrderID: orderID, Seq: seq,
		AccountID: account, Amount: amount, RequestedAt: time.Now().UTC(),
	}
	body, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return store.Received{
		Message: in, Delivery: rocketmq.Delivery{
			Topic: settlement.TopicSettlement, Offset: offset, Body: body,
		},
	}
}

func (b *books) request() idempotency.Request {
	b.t.Helper()
	req, err := idempotency.NewRequest(newID(), "test", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return req
}

// wallet opens an account that holds amount.
func (b *books) wallet(amount money.Money) string {
	b.t.Helper()
	a, err := b.store.CreateAccount(b.t.Context(), b.request(), "somebody", amount.Currency)
	if err != nil {
		b.t.Fatal(err)
	}
	b.deposit(a.ID, amount)
	return a.ID
}

func (b *books) deposit(account string, amount money.Money) {
	b.t.Helper()
	if _, err := b.store.Deposit(b.t.Context(), b.request(), account, amount); err != nil {
		b.t.Fatal(err)
	}
}

func (b *books) settle(batch ...store.Received) store.Summary {
	b.t.Helper()
	s, err := b.store.SettleBatch(b.t.Context(), batch)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *books) wantBalance(account string, want int64) {
	b.t.Helper()
	a, err := b.store.Account(b.t.Context(), account)
	if err != nil {
		b.t.Fatal(err)
	}
	if a.Balance.Minor != want {
		b.t.Errorf("wallet holds %d, want %d", a.Balance.Minor, want)
	}
}

func (b *books) wantCount(from string, want int64) {
	b.t.Helper()
	if got := b.number("SELECT COUNT(*) FROM " + from); got != want {
		b.t.Errorf("%d rows in %s, want %d", got, from, want)
	}
}

// wantBooksClosed checks that every number's entries sum to zero and every wallet is
// the sum of its entries.
func (b *books) wantBooksClosed() {
	b.t.Helper()
	b.wantCount("(SELECT payment_no FROM entries GROUP BY payment_no HAVING SUM(amount_minor) <> 0) AS"+
		" open_numbers", 0)
	b.wantCount("(SELECT a.id FROM accounts a LEFT JOIN entries e ON e.account_id = a.id"+
		" GROUP BY a.id, a.balance_minor HAVING a.balance_minor <> COALESCE(SUM(e.amount_minor), 0)) AS wrong_wallets", 0)
}

func (b *books) number(query string) (n int64) {
	b.t.Helper()
	if err := b.pool.Read(context.Background()).Raw(query).Scan(&n).Error; err != nil {
		b.t.Fatal(err)
	}
	return n
}

// waitForLockWait returns when a statement of some session waits for a row lock.
func (b *books) waitForLockWait() {
	b.t.Helper()
	wait.Until(b.t, 5*time.Second, func() error {
		// Not information_schema.innodb_trx: it answers from a cache for as long as it is asked
		// often.
		var status struct{ Status string }
		if err := b.pool.Read(context.Background()).Raw("SHOW ENGINE INNODB STATUS").Scan(&status).
			Error; err != nil {
			return err
		}
		if !strings.Contains(status.Status, "LOCK WAIT") {
			return errors.New("nobody waits for a lock")
		}
		return nil
	})
}
