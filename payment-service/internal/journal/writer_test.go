package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/stack/testdb"
	"settlement/e2e/wait"
	"settlement/migrations"
	"settlement/payment-service/internal/journal"
	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

const limit = 30 * time.Second

// note is a decision of an order.
func note(order string, seq int64) journal.Note {
	return journal.Note{Movement: payment.Movement{
		PaymentNo: uuid.NewString(), OrderID: order, Seq: seq, Type: settlement.Settle, Outcome: settlement.Declined, Reason: `a "reason" <&>`,
		AccountID: uuid.NewString(), Amount: money.Money{Currency: money.CNY, Minor: 1}, CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}}
}

func add(t *testing.T, pool *dbtx.Pool, notes ...journal.Note) {
	t.Helper()
	if err := pool.Run(t.Context(), func(tx dbtx.Tx) error { return journal.Add(tx, time.Now().UTC(), notes) }); err != nil {
		t.Fatal(err)
	}
}

func newWriter(pool *dbtx.Pool) *journal.Writer {
	return journal.NewWriter(pool, func() {}, time.Now, slog.New(slog.DiscardHandler))
}

// sent are the records in the outbox, in the order in which the relay sends them.
func sent(t *testing.T, pool *dbtx.Pool) (bodies [][]byte, records []settlement.JournalRecord) {
	t.Helper()
	if err := pool.Read(t.Context()).Table("outbox").Where("topic = ?", settlement.TopicJournal).Order("id").Pluck("body", &bodies).Error; err != nil {
		t.Fatal(err)
	}
	for _, b := range bodies {
		r, err := settlement.ParseJournalRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return bodies, records
}

// wantChain wants each payment number once, each record behind the one before, each order in its sequence.
func wantChain(t *testing.T, pool *dbtx.Pool, count int) {
	t.Helper()
	bodies, records := sent(t, pool)
	if len(records) != count {
		t.Fatalf("%d records, want %d", len(records), count)
	}
	previous, numbers, seqs := settlement.JournalOrigin, map[string]bool{}, map[string]int64{}
	for i, r := range records {
		if r.Position != int64(i+1) || r.Previous != previous {
			t.Fatalf("record %d has position %d and previous %s, want previous %s", i+1, r.Position, r.Previous, previous)
		}
		if numbers[r.PaymentNo] {
			t.Errorf("payment %s is there twice", r.PaymentNo)
		}
		if r.Seq != seqs[r.OrderID]+1 {
			t.Errorf("order %s: seq %d comes after %d", r.OrderID, r.Seq, seqs[r.OrderID])
		}
		previous, numbers[r.PaymentNo], seqs[r.OrderID] = settlement.JournalHash(bodies[i]), true, r.Seq
	}
}

func TestRivalWritersMakeOneChain(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		const orders, steps = 16, 40
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		var writers, adders sync.WaitGroup
		for range 3 {
			w := newWriter(db.Open(t))
			writers.Go(func() { w.Run(ctx) })
		}
		for range orders {
			order := uuid.NewString()
			adders.Go(func() {
				for seq := range int64(steps) {
					add(t, db.Pool, note(order, seq+1))
				}
			})
		}
		adders.Wait()
		stop()
		writers.Wait() // each ends with what is there
		wantChain(t, db.Pool, orders*steps)
	})
}

// What is committed later under a smaller id is written too; nothing waits for it.
func TestADecisionCommittedLateIsWritten(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		added, commit, done := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			done <- db.Open(t).Run(context.WithoutCancel(t.Context()), func(tx dbtx.Tx) error {
				defer func() { <-commit }()
				defer close(added)
				return journal.Add(tx, time.Now().UTC(), []journal.Note{note("late", 1)})
			})
		}()
		<-added
		add(t, db.Pool, note("other", 1), note("other", 2))
		w := newWriter(db.Pool)
		if n, err := w.Write(t.Context()); n != 2 || err != nil {
			t.Errorf("%d records were written, error %v, while a transaction was open; want 2", n, err)
		}
		close(commit)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if n, err := w.Write(t.Context()); n != 1 || err != nil {
			t.Errorf("%d records were written, error %v, of what was committed late; want 1", n, err)
		}
	})
}

// A writer that is frozen holds up nobody: the others leave the journal to it and are not in the way of decisions.
func TestAFrozenWriterHoldsUpNoDecision(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		locked, release, done := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			done <- db.Open(t).Run(context.WithoutCancel(t.Context()), func(tx dbtx.Tx) error {
				defer func() { <-release }()
				defer close(locked)
				return tx.DB().Exec("UPDATE journal_head SET hash = hash WHERE id = 1").Error
			})
		}()
		<-locked
		add(t, db.Pool, note(uuid.NewString(), 1))
		if n, err := newWriter(db.Pool).Write(t.Context()); n != 0 || err != nil {
			t.Errorf("%d records were written, error %v, while another writer had the head", n, err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		w := newWriter(db.Pool)
		wait.Until(t, limit, func() error {
			if n, err := w.Write(t.Context()); n != 1 {
				return fmt.Errorf("%d records were written, error %w", n, err)
			}
			return nil
		})
	})
}

// What was decided before there was a journal is in it too, as if it had been noted then.
func TestTheMigrationNotesWhatWasDecidedBefore(t *testing.T) {
	file, err := os.ReadFile("../../../migrations/payment/00005_journal.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, backfill, found := strings.Cut(string(file), "INSERT INTO journal_pending")
	backfill, _, ended := strings.Cut(backfill, ";")
	if !found || !ended {
		t.Fatal("the migration does not fill journal_pending")
	}
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		m := note(uuid.NewString(), 7).Movement
		err := db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
			return errors.Join(
				tx.DB().Exec("INSERT INTO payment_numbers (payment_no, order_id, seq, type, outcome, reason, account_id, amount_minor, currency, created_at)"+
					" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", m.PaymentNo, m.OrderID, m.Seq, m.Type, m.Outcome, m.Reason,
					m.AccountID, m.Amount.Minor, m.Amount.Currency, m.CreatedAt).Error,
				tx.DB().Exec("INSERT INTO journal_pending"+backfill).Error,
				tx.DB().Exec("INSERT INTO journal_pending"+backfill).Error) // as after a kill
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := newWriter(db.Pool).Write(t.Context()); n != 1 || err != nil {
			t.Fatalf("%d records were written, error %v", n, err)
		}
		_, records := sent(t, db.Pool)
		want := journal.RecordOf(m)
		want.Position, want.Previous = 1, settlement.JournalOrigin
		got, _ := json.Marshal(records[0])
		wanted, _ := json.Marshal(want)
		if string(got) != string(wanted) {
			t.Errorf("record is\n%s, want\n%s", got, wanted)
		}
	})
}
