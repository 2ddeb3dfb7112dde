package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/faults"
	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/payment-service/internal/payment"
	"settlement/payment-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/settlement"
	"settlement/shared/traceparent"
)

func TestConcurrentSettlesOfOneWalletNeverOverdraw(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		wallet := b.wallet(cny(1000))
		const settles, each = 64, 30 // 33 of them fit
		var wg sync.WaitGroup
		errs := make(chan error, settles)

		for i := range settles {
			r := received(settlement.Settle, newID(), 1, wallet, cny(each), int64(i))
			wg.Go(func() {
				errs <- untilSettled(t.Context(), b.store, []store.Received{r})
			})
		}

		wg.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Error(err)
			}
		}

		b.wantBalance(wallet, 1000-33*each)
		b.wantCount("payment_numbers WHERE outcome = 'paid'", 33)
		b.wantCount("payment_numbers WHERE outcome = 'declined'", settles-33)
		b.wantCount("outbox", settles)
		b.wantBooksClosed()
	})
}

// untilSettled gives a batch again while the database is busy, as the consumer does.
func untilSettled(ctx context.Context, s *store.Store, batch []store.Received) error {
	for {
		_, err := s.SettleBatch(ctx, batch)
		if !dbtx.IsTransient(err) || ctx.Err() != nil {
			return err
		}
	}
}

func TestTheSameBatchTwice(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		wallet := b.wallet(cny(100))
		order := newID()
		batch := []store.Received{
			received(settlement.Settle, order, 1, wallet, cny(30), 0),
			received(settlement.Refund, order, 2, wallet, cny(30), 1),
			received(settlement.Settle, order, 3, wallet, cny(30), 2),
			received(settlement.Settle, newID(), 1, wallet, cny(500), 3), // declined, and stays so
		}

		first := b.settle(batch...)
		if len(first.Decided) != 4 || first.Repeated != 0 {
			t.Fatalf("first time: %+v", first)
		}

		b.deposit(wallet, cny(1000)) // the declined one could be paid now
		second := b.settle(append(batch, batch...)...)
		if len(second.Decided) != 0 || second.Repeated != 8 {
			t.Errorf("second time: %+v, want 8 repeats", second)
		}

		b.wantBalance(wallet, 1070)
		b.wantCount("payment_numbers", 4)
		b.wantCount("outbox", 8) // a repeat is answered again, once in a batch
		b.wantCount("(SELECT message_key FROM outbox GROUP BY message_key, body HAVING COUNT(*) = 2) AS"+
			" answered", 4)
		b.wantBooksClosed()
	})
}

func TestTwoWritersWithTheSameBatchAtTheSameTime(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		wallet := b.wallet(cny(100_000))
		other := newStore(db.Open(t))

		for round := range 20 {
			var batch []store.Received
			for i := range 16 {
				batch = append(batch, received(settlement.Settle, newID(),
					1, wallet, cny(10), int64(16*round+i)))
			}

			errs := make(chan error, 2)
			for _, s := range []*store.Store{b.store, other} {
				go func() { errs <- untilSettled(t.Context(), s, batch) }()
			}
			for range 2 {
				if err := <-errs; err != nil {
					t.Fatal(err)
				}
			}
		}

		b.wantBalance(wallet, 100_000-20*16*10)
		b.wantCount("payment_numbers", 20*16)
		b.wantCount("(SELECT DISTINCT message_key FROM outbox) AS reported", 20*16)
		b.wantBooksClosed()
	})
}

func TestALateWriterStopsAtTheFence(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		wallet := b.wallet(cny(100))
		order := newID()
		b.settle(received(settlement.Settle, order, 1, wallet, cny(30), 0),
			received(settlement.Refund, order, 2, wallet, cny(30), 1))

		// The same places of the order under other payment numbers.
		late := b.settle(received(settlement.Settle, order, 1, wallet, cny(30), 7),
			received(settlement.Settle, order, 2, wallet, cny(30), 8))
		if len(late.Conflicts) != 2 || len(late.Decided) != 0 {
			t.Errorf("late writer: %+v, want 2 conflicts", late)
		}

		b.wantCount("parked_messages WHERE state = 'parked' AND cause = 'conflict'", 2)
		b.wantCount("notifications", 2)
		b.wantBalance(wallet, 100)
		b.wantCount("payment_numbers", 2)
		b.wantCount("outbox", 2)
	})
}

func TestSuccessorsWaitForTheirPredecessor(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		wallet := b.wallet(cny(100))
		order := newID()
		settle := received(settlement.Settle, order, 1, wallet, cny(30), 0)
		refund := received(settlement.Refund, order, 2, wallet, cny(30), 1)
		again := received(settlement.Settle, order, 3, wallet, cny(40), 2)

		if s := b.settle(again); s.Waiting != 1 || len(s.Decided) != 0 {
			t.Fatalf("seq 3 of a new order: %+v, want it to wait", s)
		}
		if s := b.settle(refund, again); s.Waiting != 1 || s.Repeated != 1 {
			t.Fatalf("seq 2, and seq 3 again: %+v, want one more to wait", s)
		}
		b.wantBalance(wallet, 100)
		b.wantCount("parked_messages WHERE state = 'waiting'", 2)

		if s := b.settle(settle); len(s.Decided) != 3 || s.Released != 2 {
			t.Fatalf("seq 1: %+v, want all three decided", s)
		}
		b.wantBalance(wallet, 60)
		b.wantCount("parked_messages WHERE state = 'waiting'", 0)
		b.wantCount("outbox", 3)
		b.wantBooksClosed()
	})
}

func TestABatchInAnyOrderSettlesInSequence(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		wallet := b.wallet(cny(30)) // enough only when each refund comes before the next settle
		order := newID()

		s := b.settle(
			received(settlement.Settle, order, 3, wallet, cny(30), 0),
			received(settlement.Refund, order, 2, wallet, cny(30), 1),
			received(settlement.Settle, order, 1, wallet, cny(30), 2),
		)
		if len(s.Decided) != 3 || s.Waiting != 0 {
			t.Fatalf("%+v, want all decided and none waiting", s)
		}

		b.wantCount("payment_numbers WHERE outcome = 'declined'", 0)
		b.wantCount("parked_messages", 0)
		b.wantBalance(wallet, 0)
	})
}

// A first instruction has no progress row to lock, so both writers come as far as the
// unique index; one of them must find the other's work when it runs again.
func TestDuplicateKeyRace(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		wallet := b.wallet(cny(100))
		r := received(settlement.Settle, newID(), 1, wallet, cny(30), 0)

		// Another session has inserted the order's progress and not committed yet.
		inserted, goOn := make(chan struct{}), make(chan struct{})
		other := make(chan error, 1)
		go func() {
			other <- db.Open(t).Run(t.Context(), func(tx dbtx.Tx) error {
				err := tx.DB().Exec("INSERT INTO order_progress (order_id, last_seq) VALUES (?, 1)",
					r.Message.OrderID).Error
				close(inserted)
				<-goOn
				return err
			})
		}()

		<-inserted
		done := make(chan store.Summary, 1)
		go func() {
			s, err := b.store.SettleBatch(t.Context(), []store.Received{r})
			if err != nil {
				t.Error(err)
			}
			done <- s
		}()

		b.waitForLockWait()
		close(goOn)
		if err := <-other; err != nil {
			t.Fatal(err)
		}
		if s := <-done; len(s.Conflicts) != 1 || len(s.Decided) != 0 {
			t.Errorf("%+v, want the loser of the race to find the winner's progress", s)
		}
		b.wantBalance(wallet, 100)
	})
}

func TestALostCommitAnswerIsFoundByTheRepeat(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		wallet := b.wallet(cny(100))

		proxy, err := faults.NewMySQL(db.Config.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = proxy.Close() }()
		config := db.Config
		config.Addr = proxy.Addr()
		pool, err := dbtx.Open(config, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()

		s := newStore(pool)
		batch := []store.Received{received(settlement.Settle, newID(), 1, wallet, cny(30), 0)}
		lost := &faults.SQLRule{At: faults.AfterCommit, Limit: 1, Do: faults.Cut}
		proxy.Add(lost)

		if _, err := s.SettleBatch(t.Context(), batch); !errors.Is(err, dbtx.ErrCommitUnknown) {
			t.Fatalf("error %v, want ErrCommitUnknown", err)
		}
		if lost.Fired() != 1 {
			t.Fatal("no answer was lost")
		}

		summary, err := s.SettleBatch(t.Context(), batch)
		if err != nil || summary.Repeated != 1 {
			t.Errorf("repeat: %+v, %v; want it found", summary, err)
		}
		b.wantBalance(wallet, 70)
		b.wantCount("outbox", 2)
	})
}

// The unique indexes stop a second writer, whatever the code before them does.
func TestTheUniqueIndexesAreThere(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		r := received(settlement.Settle, newID(), 1, b.wallet(cny(100)), cny(30), 0)
		b.settle(r)

		for _, copied := range []string{
			"payment_numbers (payment_no, order_id, seq, type, outcome, reason, account_id, amount_minor, currency, created_at)" +
				" SELECT payment_no, UUID(), seq, type, outcome, reason, account_id, amount_minor, currency," +
				" created_at FROM payment_numbers",
			"payment_numbers (payment_no, order_id, seq, type, outcome, reason, account_id, amount_minor, currency, created_at)" +
				" SELECT UUID(), order_id, seq, type, outcome, reason, account_id, amount_minor, currency," +
				" created_at FROM payment_numbers",
			"entries (payment_no, account_id, amount_minor, currency, kind, created_at)" +
				" SELECT payment_no, account_id, amount_minor, currency, kind, created_at FROM entries",
		} {
			if err := db.Pool.Read(t.Context()).Exec("INSERT INTO " + copied).
				Error; !dbtx.IsDuplicateKey(err) {
				t.Errorf("INSERT INTO %.20s…: error %v, want a duplicate key", copied, err)
			}
		}
	})
}

func TestPayments(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		r := received(settlement.Settle, newID(), 1, newID(), cny(30), 0)
		b.settle(r)
		m, err := b.store.Payment(t.Context(), r.Message.PaymentNo)
		if err != nil || m.Outcome != settlement.Declined || m.Reason != payment.ReasonUnknownAccount ||
			m.Amount != cny(30) {
			t.Errorf("recorded %+v, %v", m, err)
		}
		if _, err := b.store.Payment(t.Context(), uuid.NewString()); !errors.Is(err,
			payment.ErrPaymentNotFound) {
			t.Errorf("error %v, want ErrPaymentNotFound", err)
		}
	})
}

// Whatever a sender has written into the trace of a message, a payment does not break over it.
func TestABrokenTraceBreaksNoPayment(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		wallet := b.wallet(cny(100))
		for _, trace := range []string{"", "ü", strings.Repeat("0", 65)} {
			r := received(settlement.Settle, newID(), 1, wallet, cny(1), 0)
			r.Delivery.Properties = map[string]string{traceparent.Property: trace}
			b.settle(r)
		}
		b.wantBalance(wallet, 97)
		b.wantCount("outbox o JOIN journal_pending j ON j.payment_no = o.message_key AND j.traceparent = o.traceparent", 3)
	})
}
