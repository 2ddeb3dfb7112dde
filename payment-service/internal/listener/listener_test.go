package listener_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/payment-service/internal/listener"
	"settlement/payment-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/intake"
	"settlement/shared/money"
	"settlement/shared/notify"
	"settlement/shared/operator"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// desk is the listeners of one process, on a fresh database.
type desk struct {
	t         *testing.T
	pool      *dbtx.Pool
	store     *store.Store
	lot       *parking.Lot
	decisions *operator.Decisions
	listener  *listener.Instructions
	points    *listener.Points
	waiting   *intake.Waiting
	registry  *prometheus.Registry
}

// openDesk makes a desk that parks poison through the pool lot, and settles through the pool books.
func openDesk(t *testing.T, lot, books *dbtx.Pool) *desk {
	t.Helper()
	d := &desk{t: t, pool: lot, registry: prometheus.NewRegistry()}
	quiet := slog.New(slog.DiscardHandler)
	keeper := parking.NewKeeper(notify.NewTeller(lot, quiet, notify.Log{Logger: quiet}), time.Now)
	d.store = store.New(books, keeper, testdb.Topics, func() {}, time.Now)
	d.lot = parking.NewLot(lot, keeper)
	resolvers := parking.Resolvers{
		settlement.TopicSettlement: d.store.Instructions(), settlement.TopicPoints: d.store.PointsChanges(),
	}
	d.decisions = operator.New(lot, keeper, d.lot, resolvers)

	settling := intake.NewPolicy(settlement.TopicSettlement, d.lot, d.registry, quiet)
	counting := intake.NewPolicy(settlement.TopicPoints, d.lot, d.registry, quiet)
	d.listener = listener.NewInstructions(d.store, d.lot, settling, d.registry, quiet)
	d.points = listener.NewPoints(d.store, d.lot, counting, d.registry, quiet)
	d.waiting = intake.NewWaiting(d.lot, resolvers, quiet, settling, counting)
	return d
}

// sql changes the database behind the service's back.
func (d *desk) sql(statement string) {
	d.t.Helper()
	if err := d.pool.Read(d.t.Context()).Exec(statement).Error; err != nil {
		d.t.Fatal(err)
	}
}

func instruction(seq int64) []byte {
	body, err := json.Marshal(settlement.Instruction{
		Version: settlement.Version, Type: settlement.Settle, PaymentNo: uuid.NewString(),
		OrderID: uuid.NewString(), Seq: seq,
		AccountID: uuid.NewString(), Amount: money.Money{Currency: money.CNY, Minor: 1},
		RequestedAt: time.Now().UTC(),
	})
	if err != nil {
		panic(err)
	}
	return body
}

func (d *desk) wantCount(from string, want int64) {
	d.t.Helper()
	var got int64
	if err := d.pool.Read(d.t.Context()).Raw("SELECT COUNT(*) FROM " + from).Scan(&got).Error; err != nil {
		d.t.Fatal(err)
	}
	if got != want {
		d.t.Errorf("%d rows in %s, want %d", got, from, want)
	}
}

// counted is the value of settlement_instructions_total for a result.
func (d *desk) counted(result string) float64 {
	d.t.Helper()
	families, err := d.registry.Gather()
	if err != nil {
		d.t.Fatal(err)
	}

	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "settlement_instructions_total" && m.GetLabel()[0].GetValue() == result {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// Whatever a sender puts into a message, the message can be parked: one that cannot be parked would
// stop its queue for ever.
func TestAnyMessageCanBeParked(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool, db.Pool)
		poison := []rocketmq.Delivery{
			{MessageID: strings.Repeat("u", 65), Body: []byte("x")},
			{MessageID: "\xff\xfe", Body: []byte("\xff\xfe")},
			// Compressed, it passes the broker's limit.
			{MessageID: "m", Body: bytes.Repeat([]byte{0}, 17<<20)},
			{MessageID: "m", Body: []byte{}},
			{MessageID: "m"},
			{
				MessageID: "m", Body: []byte("y"),
				Properties: map[string]string{"long": strings.Repeat("p", 40_000), "bad": "\xff"},
			},
			{MessageID: strings.Repeat("u", 65), Body: instruction(2)}, // no poison: it waits
		}

		for i, p := range poison {
			p.Topic, p.Offset = settlement.TopicSettlement, int64(i)
			good := rocketmq.Delivery{
				Topic: settlement.TopicSettlement, Offset: int64(100 + i), MessageID: "g",
				Body: instruction(1),
			}
			if err := d.listener.Handle(t.Context(), []rocketmq.Delivery{p, good}); err != nil {
				t.Errorf("message %d stops its queue: %.200v", i, err)
			}
		}

		d.wantCount("parked_messages WHERE state = 'parked'", int64(len(poison)-1))
		d.wantCount("parked_messages WHERE state = 'waiting'", 1)
		d.wantCount("payment_numbers", int64(len(poison)))
	})
}

func TestAPoisonMessageThatComesAgainIsParkedAndCountedOnce(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		away, err := dbtx.Open(dbtx.Config{Addr: "127.0.0.1:1", Name: "n", User: "u"},
			prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		defer away.Close()

		d := openDesk(t, db.Pool, away)
		batch := []rocketmq.Delivery{
			{Topic: settlement.TopicSettlement, Offset: 1, MessageID: "a", Body: []byte("x")},
			{Topic: settlement.TopicSettlement, Offset: 2, MessageID: "b", Body: instruction(1)},
		}

		for range 3 { // the other message of the batch fails, so both come again
			if err := d.listener.Handle(t.Context(), batch); !dbtx.IsTransient(err) {
				t.Fatalf("error %v, want a transient one", err)
			}
		}

		d.wantCount("parked_messages", 1)
		d.wantCount("notifications", 1)
		if n := d.counted("poison"); n != 1 {
			t.Errorf("one poison message was counted %v times", n)
		}
	})
}

// A database server can take less than a broker. A message that is too large for the server is
// parked cut: otherwise it would stop its queue for ever.
func TestWhatTheServerDoesNotTakeWholeIsParkedCut(t *testing.T) {
	testdb.EachOwn(t, []string{"--max-allowed-packet=1M"}, func(t *testing.T, db testdb.Database) {
		pool, err := db.Pool.SQL()
		if err != nil {
			t.Fatal(err)
		}
		if err := migrations.Up(t.Context(), pool, migrations.Payment,
			slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}

		d := openDesk(t, db.Pool, db.Pool)
		// Each is written as two bytes.
		quotes := rocketmq.Delivery{
			Topic: settlement.TopicSettlement, MessageID: "m", Body: bytes.Repeat([]byte{'\''}, 3<<20),
		}
		if err := d.listener.Handle(t.Context(), []rocketmq.Delivery{quotes}); err != nil {
			t.Fatalf("%.300v", err)
		}

		d.wantCount("parked_messages WHERE cause = 'poison' AND LENGTH(payload) BETWEEN 100000 AND 600000"+
			" AND reason LIKE 'payload cut from 3145728 bytes%'", 1)
		d.wantCount("notifications", 1)
	})
}
