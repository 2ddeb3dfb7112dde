package audit

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/faults"
	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

func TestWhatIsNoPartOfTheChain(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := open(t, db.Pool)
		b.live()
		good := b.topic
		altered := func(at int, from, to string) []byte {
			return []byte(strings.Replace(string(good[at].Body), from, to, 1))
		}

		b.topic = nil
		b.send(good[0].Body)
		b.send(good[1].Body)
		b.send(good[1].Body)                           // 2: a copy, which is no finding
		b.send([]byte("hello"))                        // 3
		b.send(altered(0, `"minor":30`, `"minor":90`)) // 4: another first record
		b.send(good[3].Body)                           // 5: the third is missing
		b.send(good[2].Body)
		b.send(altered(3, `"minor":30`, `"minor":90`))         // 7: only the books show that it is forged
		b.send(altered(3, `"position":4`, `"position":5`))     // 8: does not follow the forged record 4
		b.send([]byte(`{"version":1,"position":-1,"x":"\xff`)) // 9

		taken := b.take(0, 10)
		if len(taken.Records) != 4 || taken.Repeats != 1 {
			t.Errorf("%d records and %d copies, want 4 and 1", len(taken.Records), taken.Repeats)
		}
		b.wantFindings("offset 3 is no journal record", "offset 4 is another record 1",
			"offset 5 is record 4, and 3 to 3 are missing", "offset 8 is record 5", "offset 9 is no")
		b.wantBreak("a forged record that fits", "payment_numbers", b.numbers[4], "record 4", "0.90")
	})
}

// strange is a record under a payment number that nobody decided.
func (b *bench) strange(body []byte) []byte {
	b.t.Helper()
	record, err := settlement.ParseJournalRecord(body)
	if err != nil {
		b.t.Fatal(err)
	}
	record.PaymentNo = uuid.NewString()
	body, err = json.Marshal(record)
	if err != nil {
		b.t.Fatal(err)
	}
	return body
}

func (b *bench) wantFindings(want ...string) {
	b.t.Helper()
	found, _, err := New(b.pool, b.tape, b.books, nil).findings(b.t.Context(), -1)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(found) != len(want) {
		b.t.Fatalf("%d findings, want %d:\n%s", len(found), len(want), strings.Join(found, "\n"))
	}
	for i, w := range want {
		if !strings.Contains(found[i], w) {
			b.t.Errorf("finding %q, want %q in it", found[i], w)
		}
	}
}

// Behind a gap, and behind a stranger's record that fits, an operator says what the journal goes on
// with.
func TestAnOperatorResumesTheJournal(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := open(t, db.Pool)
		b.live()
		good := b.topic
		b.topic = nil
		b.send(good[0].Body)
		b.send(b.strange(good[1].Body))
		for _, m := range good[1:] {
			b.send(m.Body)
		}

		b.take(0, 5)
		b.wantFindings("offset 2 is another record 2", "offset 3 is record 3",
			"offset 4 is record 4, and 3 to 3 are missing")
		if err := b.tape.ResumeAt(t.Context(), b.topic[2],
			Decision{Operator: "Han Meimei", Reason: "the second was lost"}); err != nil {
			t.Fatal(err)
		}
		b.wantAt(3, 2)
		var who, why string
		if err := db.Pool.Read(t.Context()).
			Raw("SELECT operator, reason FROM audit_decisions WHERE queue_offset = 2 AND position = 2").Row().
			Scan(&who, &why); err != nil || who != "Han Meimei" || why != "the second was lost" {
			t.Errorf("decided by %q because %q, %v", who, why, err)
		}

		b.take(3, 5)
		b.wantAt(5, 4)
		b.wantFindings(
			"offset 2 was taken for record 2 because operator Han Meimei said so: the second was lost",
		)
		if found := b.breaks(); len(found) > 0 {
			t.Errorf("breaks:\n%s", strings.Join(found, "\n"))
		}

		// As if the third had expired.
		if err := b.tape.ResumeAt(t.Context(), b.topic[4], Decision{}); err != nil {
			t.Fatal(err)
		}
		b.exec("DELETE FROM audit_records WHERE position = 3")
		b.wantBreak("the gap", "record 4", "comes after record 2")
		if err := b.tape.ResumeAt(t.Context(), rocketmq.Delivery{Offset: 9, Body: []byte("nothing")},
			Decision{}); err == nil {
			t.Error("resumed with what is no record")
		}
	})
}

// The offset and the records that were read up to it are kept together or not at all: of two
// readers, the second keeps nothing.
func TestTheOffsetMovesWithTheRecords(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := open(t, db.Pool)
		b.live()
		b.take(0, 2)
		if _, err := b.tape.Take(t.Context(), 0, 3, b.topic[:3]); !errors.Is(err, ErrMovedOn) {
			t.Errorf("the same offset again: error %v, want ErrMovedOn", err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.tape.Take(ctx, 2, 4, b.topic[2:4]); err == nil {
			t.Error("kept after its context had ended")
		}

		b.wantAt(2, 2)
		b.take(2, 4)
		b.wantAt(4, 4)
	})
}

func (b *bench) wantAt(offset, records int64) {
	b.t.Helper()
	at, err := b.tape.Offset(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	last, err := endOf(b.pool.Read(b.t.Context()))
	if err != nil {
		b.t.Fatal(err)
	}
	if at != offset || last.position != records {
		b.t.Errorf("offset %d and %d records, want %d and %d", at, last.position, offset, records)
	}
}

// After a COMMIT whose answer is lost the offset says whether it took effect.
func TestALostCommitAnswerIsFoundByTheOffset(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := open(t, db.Pool)
		b.live()

		proxy, err := faults.NewMySQL(db.Config.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = proxy.Close() }()
		behind := db.Config
		behind.Addr = proxy.Addr()
		pool, err := dbtx.Open(behind, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()

		for i, moment := range []faults.SQLMoment{faults.AfterCommit, faults.BeforeCommit} {
			from := 2 * i
			lost := &faults.SQLRule{Touching: "audit_records", At: moment, Limit: 1, Do: faults.Cut}
			proxy.Add(lost)
			_, err = NewTape(pool, time.Now).
				Take(t.Context(), int64(from), int64(from+2), b.topic[from:from+2])
			if !dbtx.IsTransient(err) || lost.Fired() != 1 {
				t.Fatalf("error %v, the answer was lost %d times", err, lost.Fired())
			}
			proxy.Clear()
		}

		b.wantAt(2, 2) // the first took effect, the second did not
		b.take(2, 4)
		b.wantAt(4, 4)
	})
}

func TestExpiredMessagesAreToldOf(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := open(t, db.Pool)
		if err := b.tape.Skip(t.Context(), 0, 7); err != nil {
			t.Fatal(err)
		}
		b.wantFindings("offset 0 and those up to offset 6 had expired")
		b.wantAt(7, 0)
	})
}
