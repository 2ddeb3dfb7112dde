package audit

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/payment-service/internal/journal"
	"settlement/payment-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/money"
	"settlement/shared/notify"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// bench is a payments database with some history, and the journal of it as it would be on the
// topic.
type bench struct {
	t       *testing.T
	pool    *dbtx.Pool
	books   *store.Store
	tape    *Tape
	wallet  string
	topic   []rocketmq.Delivery
	numbers []string // payment numbers by position, from 1
}

func open(t *testing.T, pool *dbtx.Pool) *bench {
	t.Helper()
	keeper := parking.NewKeeper(notify.NewTeller(pool, slog.New(slog.DiscardHandler)), time.Now)
	b := &bench{
		t: t, pool: pool, books: store.New(pool, keeper, testdb.Topics, func() {}, time.Now),
		tape: NewTape(pool, time.Now), numbers: []string{""},
	}

	a, err := b.books.CreateAccount(t.Context(), b.request(), "somebody", money.CNY)
	if err != nil {
		t.Fatal(err)
	}
	b.wallet = a.ID
	if _, err := b.books.Deposit(t.Context(), b.request(), a.ID, cny(50)); err != nil {
		t.Fatal(err)
	}
	return b
}

func cny(minor int64) money.Money { return money.Money{Currency: money.CNY, Minor: minor} }

func (b *bench) request() idempotency.Request {
	b.t.Helper()
	req, err := idempotency.NewRequest(uuid.NewString(), "test", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return req
}

// live settles, refunds and settles an order again, and has another one declined: records 1 to 4.
func (b *bench) live() {
	b.t.Helper()
	order := uuid.NewString()
	var batch []store.Received
	for i, step := range []struct {
		order string
		seq   int64
		typ   settlement.InstructionType
	}{
		{order, 1, settlement.Settle},
		{order, 2, settlement.Refund},
		{order, 3, settlement.Settle},
		{uuid.NewString(), 1, settlement.Settle},
	} {
		in := settlement.Instruction{
			Version: settlement.Version, Type: step.typ, PaymentNo: uuid.NewString(), OrderID: step.order,
			Seq:       step.seq,
			AccountID: b.wallet, Amount: cny(30), RequestedAt: time.Now().UTC(),
		}
		body, err := json.Marshal(in)
		if err != nil {
			b.t.Fatal(err)
		}
		batch = append(batch, store.Received{
			Message: in, Delivery: rocketmq.Delivery{
				Topic: settlement.TopicSettlement, Offset: int64(i), Body: body,
			},
		})
	}

	if _, err := b.books.SettleBatch(b.t.Context(), batch); err != nil {
		b.t.Fatal(err)
	}
	if n, err := journal.NewWriter(b.pool, testdb.Topics, func() {}, time.Now, slog.New(slog.DiscardHandler)).
		Write(b.t.Context()); n != 4 || err != nil {
		b.t.Fatalf("%d records were written, error %v", n, err)
	}

	var bodies [][]byte
	if err := b.pool.Read(b.t.Context()).Table("outbox").Where("topic = ?", settlement.TopicJournal).
		Order("id").Pluck("body", &bodies).Error; err != nil {
		b.t.Fatal(err)
	}
	for _, body := range bodies {
		r, err := settlement.ParseJournalRecord(body)
		if err != nil {
			b.t.Fatal(err)
		}
		b.numbers = append(b.numbers, r.PaymentNo)
		b.send(body)
	}
}

func (b *bench) send(body []byte) {
	b.topic = append(b.topic, rocketmq.Delivery{
		Topic: settlement.TopicJournal, Offset: int64(len(b.topic)), Body: body,
	})
}

// take keeps the messages from an offset up to another.
func (b *bench) take(from, to int) Taken {
	b.t.Helper()
	taken, err := b.tape.Take(b.t.Context(), int64(from), int64(to), b.topic[from:to])
	if err != nil {
		b.t.Fatal(err)
	}
	return taken
}

func (b *bench) exec(query string, args ...any) {
	b.t.Helper()
	if err := b.pool.Run(b.t.Context(),
		func(tx dbtx.Tx) error { return tx.DB().Exec(query, args...).Error }); err != nil {
		b.t.Fatal(err)
	}
}

// breaks returns what an audit would report, but for the findings and for what is missing in the
// journal.
func (b *bench) breaks() []string {
	b.t.Helper()
	a := New(b.pool, b.tape, b.books, nil)
	_, differ, err := a.compareFrom(b.t.Context(), origin, func(int64) {})
	if err != nil {
		b.t.Fatal(err)
	}
	amiss, err := a.amiss(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return append(differ, amiss...)
}

func (b *bench) wantBreak(name string, wanted ...string) {
	b.t.Helper()
	found := b.breaks()
	for _, line := range found {
		all := true
		for _, w := range wanted {
			all = all && strings.Contains(line, w)
		}
		if all {
			return
		}
	}
	b.t.Errorf("%s: want a break with %q in\n%s", name, wanted, strings.Join(found, "\n"))
}

// Each change of the books or of the kept journal is seen, and the line names where.
func TestEachTamperingIsSeen(t *testing.T) {
	for _, c := range []struct {
		name   string
		change string
		number int      // record whose payment number is the change's only parameter
		want   []string // beside that number
	}{
		{
			"an amount", "UPDATE payment_numbers SET amount_minor = 31 WHERE payment_no = ?", 1,
			[]string{"payment_numbers", "record 1", "0.31"},
		},
		{
			"an outcome", "UPDATE payment_numbers SET outcome = 'paid', reason = '' WHERE payment_no = ?", 4,
			[]string{"payment_numbers", "record 4"},
		},
		{"a time", "UPDATE payment_numbers SET created_at = created_at - INTERVAL 1 SECOND WHERE payment_no" +
			" = ?", 2, []string{"payment_numbers", "record 2"}},
		{
			"a payment number is gone", "DELETE FROM payment_numbers WHERE payment_no = ?", 3,
			[]string{"payment_numbers", "record 3", "is not there"},
		},
		{
			"an entry's amount",
			"UPDATE entries SET amount_minor = 29 WHERE amount_minor = 30 AND payment_no =" +
				" ?", 1,
			[]string{"entries", "record 1"},
		},
		{
			"both entries of a payment",
			"UPDATE entries SET amount_minor = SIGN(amount_minor) WHERE payment_no" +
				" = ?", 1,
			[]string{"entries", "record 1"},
		},
		{"entries are gone", "DELETE FROM entries WHERE payment_no = ?", 2, []string{"entries", "record 2"}},
		{
			"entries of a decline", "INSERT INTO entries (payment_no, account_id, amount_minor, currency," +
				" kind," +
				" created_at)" +
				" VALUES (?, '00000000-0000-7000-8000-000000000001', 30, 'CNY', 'settle', NOW())", 4,
			[]string{"entries", "record 4"},
		},
		{
			"a record's body",
			"UPDATE audit_records SET body = REPLACE(body, '\"minor\":30', '\"minor\":90') WHERE payment_no = ?", 2,
			[]string{"audit_records", "record 2", "was changed"},
		},
		{
			"a record's body and hash",
			"UPDATE audit_records SET body = REPLACE(body, '\"minor\":30', '\"minor\":90'), hash = SHA2(REPLACE(body, '\"minor\":90', '\"minor\":90'), 256) WHERE payment_no = ?", 2, nil,
		},
		{"a record is gone", "DELETE FROM audit_records WHERE payment_no = ?", 3, nil},
		{
			"a record of another payment",
			"UPDATE audit_records SET payment_no = UUID() WHERE payment_no = ?", 3, nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
				b := open(t, db.Pool)
				b.live()
				b.take(0, 4)
				if found := b.breaks(); len(found) > 0 {
					t.Fatalf("before the change:\n%s", strings.Join(found, "\n"))
				}

				b.exec(c.change, b.numbers[c.number])
				switch c.name {
				case "a record's body and hash":
					b.wantBreak(c.name, "audit_records", "record 3", "does not follow record 2")
				case "a record is gone":
					b.wantBreak(c.name, "record 4", "comes after record 2")
				case "a record of another payment":
					b.wantBreak(c.name, "record 3", "has the body of", b.numbers[3])
				default:
					b.wantBreak(c.name, append(c.want, b.numbers[c.number])...)
				}
			})
		})
	}
}

func TestWhatNoRecordShows(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := open(t, db.Pool)
		b.live()
		b.take(0, 4)

		stranger := uuid.NewString()
		b.exec("INSERT INTO entries (payment_no, account_id, amount_minor, currency, kind, created_at)"+
			" VALUES (?, ?, 5, 'CNY', 'refund', NOW())", stranger, b.wallet)

		b.wantBreak("money without a number", "entries", stranger, "no payment number")
		b.wantBreak("one entry alone", "entries", stranger, "sum to zero")
		b.wantBreak("the wallet does not have it", "accounts", b.wallet)
	})
}

func TestRecordsOutOfAnOrdersSequenceAreSeen(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := open(t, db.Pool)
		b.live()
		b.take(0, 4)

		b.exec("UPDATE payment_numbers SET seq = 7 - seq WHERE payment_no IN (?, ?)",
			b.numbers[1], b.numbers[2])
		b.exec("UPDATE payment_numbers SET seq = seq - 4 WHERE seq > 3")
		b.wantBreak("the refund before the payment", "record 2, of payment "+b.numbers[2],
			"behind record 1, of payment "+b.numbers[1], "before it in its order")

		b.exec("UPDATE audit_records SET payment_no = ? WHERE position = 4", b.numbers[1])
		b.wantBreak("a number twice", "record 4, of payment "+b.numbers[1],
			"behind record 1", "has that place too")
	})
}

func TestAReportPrintsWhereItBreaks(t *testing.T) {
	var out strings.Builder
	r := Report{Records: 7, Breaks: make([]string, breaksShownMax+2)}
	for i := range r.Breaks {
		r.Breaks[i] = fmt.Sprint("break ", i)
	}

	r.Print(&out)
	if s := out.String(); !strings.Contains(s, "break 99\n") || strings.Contains(s, "break 100") ||
		!strings.Contains(s, "and 2 more") || strings.Contains(s, "whole") {
		t.Errorf("printed\n%s", s)
	}
}

// A wallet can have more entries than one query may cover.
func TestAWalletOfManyEntriesIsAudited(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := open(t, db.Pool)
		const entries = 2*walletEntries + 7
		exec := func(statement string, args ...any) {
			t.Helper()
			if err := db.Pool.Read(t.Context()).Exec(statement, args...).Error; err != nil {
				t.Fatal(err)
			}
		}

		exec("CREATE TABLE digits (d INT PRIMARY KEY)")
		exec("INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)")
		wallet := uuid.Must(uuid.NewV7()).String()
		exec("INSERT INTO accounts (id, owner, currency, balance_minor, created_at) VALUES (?, 'x', 'CNY',"+
			" ?, NOW(6))", wallet, entries)
		exec("INSERT INTO entries (payment_no, account_id, amount_minor, currency, kind, created_at)"+
			" SELECT CONCAT('019a0000-0000-8000-8000-', LPAD(n.i, 12, '0')), ?, 1, 'CNY', 'deposit', NOW(6)"+
			" FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS i FROM digits a, digits"+
			" b, digits c, digits e, digits f) n"+
			" WHERE n.i < ?", wallet, entries)

		auditor := New(b.pool, b.tape, b.books, nil)
		if breaks, err := auditor.wallets(t.Context()); err != nil || len(breaks) != 0 {
			t.Errorf("breaks %v, %v; want none", breaks, err)
		}

		// In the last page.
		exec("UPDATE entries SET amount_minor = 2 WHERE account_id = ? ORDER BY id DESC LIMIT 1", wallet)
		if breaks, err := auditor.wallets(t.Context()); err != nil || len(breaks) != 1 {
			t.Errorf("breaks %v, %v; want the wallet", breaks, err)
		}
	})
}
