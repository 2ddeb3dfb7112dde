package journal_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
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
		PaymentNo: uuid.NewString(), OrderID: order, Seq: seq, Type: settlement.Settle,
		Outcome: settlement.Declined, Reason: `a "reason" <&>`,
		AccountID: uuid.NewString(), Amount: money.Money{Currency: money.CNY, Minor: 1},
		CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}}
}

func add(t *testing.T, pool *dbtx.Pool, notes ...journal.Note) {
	t.Helper()
	if err := pool.Run(t.Context(),
		func(tx dbtx.Tx) error { return journal.Add(tx, time.Now().UTC(), notes) }); err != nil {
		t.Fatal(err)
	}
}

func newWriter(pool *dbtx.Pool) *journal.Writer {
	return journal.NewWriter(pool, testdb.Topics, func() {}, time.Now, slog.New(slog.DiscardHandler))
}

// sent are the records in the outbox, in the order in which the relay sends them.
func sent(t *testing.T, pool *dbtx.Pool) (bodies [][]byte, records []settlement.JournalRecord) {
	t.Helper()
	if err := pool.Read(t.Context()).Table("outbox").Where("topic = ?", settlement.TopicJournal).Order("id").
		Pluck("body", &bodies).Error; err != nil {
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

// wantChain wants each payment number once, each record behind the one before, each order in its
// sequence.
func wantChain(t *testing.T, pool *dbtx.Pool, count int) {
	t.Helper()
	bodies, records := sent(t, pool)
	if len(records) != count {
		t.Fatalf("%d records, want %d", len(records), count)
	}

	previous, numbers, seqs := settlement.JournalOrigin, map[string]bool{}, map[string]int64{}
	for i, r := range records {
		if r.Position != int64(i+1) || r.Previous != previous {
			t.Fatalf("record %d has position %d and previous %s, want previous %s",
				i+1, r.Position, r.Previous, previous)
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
		writers.Wait() // each writes what is left before it ends
		wantChain(t, db.Pool, orders*steps)
	})
}

// A decision that is committed late, under a smaller id, is written too. Nothing waits for it.
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

// A frozen writer holds up no decision: the other writers leave the journal to it, and no decision
// waits for the head.
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

// Records that cannot be sent fill the outbox up to a limit. Further decisions wait in
// journal_pending.
func TestAJournalThatIsNotSentLeavesTheOutboxToOthers(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		const decisions = 4000
		notes := make([]journal.Note, 0, decisions)
		for range decisions {
			notes = append(notes, note(uuid.NewString(), 1))
		}
		for page := range slices.Chunk(notes, 500) {
			add(t, db.Pool, page...)
		}

		w := newWriter(db.Pool)
		written := drain(t, w)
		if written >= decisions || written < 2000 {
			t.Errorf("%d of %d records are in the outbox", written, decisions)
		}

		// As if sent.
		err := db.Pool.Run(t.Context(),
			func(tx dbtx.Tx) error { return tx.DB().Exec("DELETE FROM outbox WHERE id <= 1000").Error })
		if err != nil {
			t.Fatal(err)
		}
		if more := drain(t, w); more == 0 {
			t.Error("nothing more is written when there is room again")
		}
	})
}

func drain(t *testing.T, w *journal.Writer) (written int) {
	t.Helper()
	for {
		n, err := w.Write(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if written += n; n == 0 {
			return written
		}
	}
}

func TestALostHeadIsAnError(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		if err := db.Pool.Run(t.Context(),
			func(tx dbtx.Tx) error { return tx.DB().Exec("DELETE FROM journal_head").Error }); err != nil {
			t.Fatal(err)
		}
		if _, err := newWriter(db.Pool).Write(t.Context()); err == nil {
			t.Error("a journal without a head is written, or left alone without a word")
		}
	})
}
