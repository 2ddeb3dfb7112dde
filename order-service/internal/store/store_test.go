package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/order-service/internal/order"
	"settlement/order-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/intake"
	"settlement/shared/money"
	"settlement/shared/notify"
	"settlement/shared/outbox"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// keeper returns a keeper that tells operators in the log.
func keeper(pool *dbtx.Pool) *parking.Keeper {
	quiet := slog.New(slog.DiscardHandler)
	return parking.NewKeeper(notify.NewTeller(pool, quiet, notify.Log{Logger: quiet}), time.Now)
}

var offset atomic.Int64

// received are outcomes as they would come from the topic, each from an offset of its own.
func received(outcomes ...settlement.Outcome) []store.Received {
	batch := make([]store.Received, 0, len(outcomes))
	for _, out := range outcomes {
		body, err := json.Marshal(out)
		if err != nil {
			panic(err)
		}
		batch = append(batch, store.Received{Message: out, Delivery: rocketmq.Delivery{
			Topic: settlement.TopicOutcome, Offset: offset.Add(1), MessageID: "m", Body: body,
		}})
	}
	return batch
}

// desk is a store under test.
type desk struct {
	t     *testing.T
	pool  *dbtx.Pool
	store *store.Store
	wakes atomic.Int64
}

func openDesk(t *testing.T, pool *dbtx.Pool) *desk {
	t.Helper()
	d := &desk{t: t, pool: pool}
	d.store = store.New(pool, keeper(pool), testdb.Topics, func() { d.wakes.Add(1) }, time.Now)
	return d
}

func (d *desk) request() idempotency.Request {
	d.t.Helper()
	req, err := idempotency.NewRequest(uuid.NewString(), "test", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return req
}

func (d *desk) order() order.Order {
	d.t.Helper()
	o, err := d.store.CreateOrder(d.t.Context(), d.request(), order.New{
		CustomerID: "c", AccountID: uuid.NewString(), Amount: money.Money{Currency: money.CNY, Minor: 1999},
		Description: "茶",
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return o
}

func (d *desk) settle(id string) order.Accepted {
	d.t.Helper()
	a, err := d.store.Settle(d.t.Context(), d.request(), id, trace)
	if err != nil {
		d.t.Fatal(err)
	}
	return a
}

func (d *desk) apply(outcomes ...settlement.Outcome) store.Applied {
	d.t.Helper()
	applied, err := d.store.ApplyOutcomes(d.t.Context(), received(outcomes...))
	if err != nil {
		d.t.Fatal(err)
	}
	return applied
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

// lookAtWaiting has the service look at every message that waits, no matter when it was last looked
// at.
func (d *desk) lookAtWaiting() {
	d.t.Helper()
	if err := d.pool.Read(d.t.Context()).Exec("UPDATE parked_messages SET next_try_at = NOW(6)").
		Error; err != nil {
		d.t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	lot, resolvers := parking.NewLot(d.pool,
		keeper(d.pool)), parking.Resolvers{settlement.TopicOutcome: d.store.Outcomes()}
	policy := intake.NewPolicy(settlement.TopicOutcome, lot, prometheus.NewRegistry(), quiet)
	if err := intake.NewWaiting(lot, resolvers, quiet, policy).Round(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) wantStatus(id string, want order.Status) {
	d.t.Helper()
	o, err := d.store.Order(d.t.Context(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	if o.Status != want {
		d.t.Errorf("order is %s, want %s", o.Status, want)
	}
}

func outcome(a order.Accepted, t settlement.OutcomeType) settlement.Outcome {
	return settlement.Outcome{
		Version: settlement.Version, Type: t, PaymentNo: a.PaymentNo, OrderID: a.OrderID, Seq: a.Seq,
		Amount: money.Money{Currency: money.CNY, Minor: 1999}, OccurredAt: time.Now().UTC(),
	}
}

func TestSettleWritesTheInstructionWithTheOrder(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		o := d.order()
		accepted := d.settle(o.ID)

		var row struct {
			Topic, ShardingKey, MessageKey, Tag, Traceparent string
			Body                                             []byte
		}
		if err := db.Pool.Read(t.Context()).Table("outbox").Take(&row).Error; err != nil {
			t.Fatal(err)
		}
		if row.Topic != "settlement" || row.ShardingKey != o.ID || row.MessageKey != accepted.PaymentNo ||
			row.Tag != "settle" || row.Traceparent != trace {
			t.Errorf("outbox row %+v", row)
		}

		in, err := settlement.ParseInstruction(row.Body)
		if err != nil {
			t.Fatal(err)
		}
		if in.PaymentNo != accepted.PaymentNo || in.OrderID != o.ID || in.Seq != 1 ||
			in.AccountID != o.AccountID || in.Amount != o.Amount {
			t.Errorf("instruction %+v for order %+v", in, o)
		}
		if d.wakes.Load() == 0 {
			t.Error("the relay was not woken")
		}
	})
}

func TestARefusalWritesNothing(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		o := d.order()
		_, err := d.store.Refund(t.Context(), d.request(), o.ID, trace, nil)
		var refusal *idempotency.Refusal
		if !errors.As(err, &refusal) || refusal.Code != store.CodeNotRefundable {
			t.Errorf("refund of an unpaid order: %v", err)
		}

		if _, err := d.store.Settle(t.Context(), d.request(), uuid.NewString(),
			trace); !errors.Is(err, order.ErrNotFound) {
			t.Errorf("settle of an unknown order: %v", err)
		}
		var n int64
		if err := db.Pool.Read(t.Context()).Table("outbox").Count(&n).Error; err != nil || n != 0 {
			t.Errorf("%d outbox rows, %v", n, err)
		}
		d.wantStatus(o.ID, order.Created)
	})
}

func TestEachOutcomeIsAppliedOnce(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		o := d.order()
		paid := outcome(d.settle(o.ID), settlement.Paid)
		if a := d.apply(paid, paid); len(a.Changed) != 1 || a.Repeated != 1 {
			t.Errorf("the outcome twice in a batch: %+v", a)
		}
		if a := d.apply(paid); a.Repeated != 1 {
			t.Errorf("the outcome once more: %+v", a)
		}

		refund, err := d.store.Refund(t.Context(), d.request(), o.ID, trace, nil)
		if err != nil {
			t.Fatal(err)
		}
		// The old outcome once more, while another instruction is under way.
		if a := d.apply(paid, outcome(refund, settlement.Refunded)); a.Repeated != 1 || len(a.Changed) != 1 {
			t.Errorf("late repeat and refund: %+v", a)
		}
		d.wantStatus(o.ID, order.Refunded)

		var kinds []string
		if err := db.Pool.Read(t.Context()).Table("payments").Where("order_id = ?", o.ID).Order("seq").
			Pluck("type", &kinds).Error; err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(kinds); string(got) != `["settle","refund"]` {
			t.Errorf("the mapping has %s", got)
		}
	})
}

func TestTwoProcessesApplyTheSameOutcomes(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		second := db.Open(t)
		other := store.New(second, keeper(second), testdb.Topics, func() {}, time.Now)
		var batch []settlement.Outcome
		for range 16 {
			batch = append(batch, outcome(d.settle(d.order().ID), settlement.Paid))
		}

		changed := make(chan int, 2)
		for _, s := range []*store.Store{d.store, other} {
			go func() {
				a, err := s.ApplyOutcomes(context.WithoutCancel(t.Context()), received(batch...))
				if err != nil {
					t.Error(err)
				}
				changed <- len(a.Changed)
			}()
		}

		if first, second := <-changed, <-changed; first+second != len(batch) {
			t.Errorf("%d and %d outcomes changed an order, want %d in all", first, second, len(batch))
		}
	})
}

func TestForeignOutcomesAreParkedAndChangeNothing(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		o := d.order()
		accepted := d.settle(o.ID)
		unknownNumber, wrongType, cheap := accepted, outcome(accepted,
			settlement.Refunded), outcome(accepted, settlement.Paid)
		unknownNumber.PaymentNo, cheap.Amount = uuid.NewString(), money.Money{Currency: money.USD, Minor: 1}
		foreign := []settlement.Outcome{outcome(unknownNumber, settlement.Paid), wrongType, cheap}
		if a := d.apply(foreign...); len(a.Conflicts) != 3 || len(a.Changed) != 0 {
			t.Errorf("%+v, want 3 conflicts", a)
		}
		d.wantStatus(o.ID, order.Settling)
		d.apply(foreign...) // once more, from other offsets
		d.wantCount("parked_messages WHERE state = 'parked' AND cause = 'conflict'", 3)
		d.wantCount("notifications", 3)

		paid := outcome(accepted, settlement.Paid)
		if a := d.apply(paid); len(a.Changed) != 1 {
			t.Errorf("the real outcome afterwards: %+v", a)
		}
		declined := outcome(accepted, settlement.Declined)
		if a := d.apply(declined); len(a.Conflicts) != 1 {
			t.Errorf("another outcome under its payment number: %+v, want a conflict", a)
		}
		d.wantStatus(o.ID, order.Paid)
	})
}

// An outcome can come before its order is known here: on an orders database that is behind after a
// failover, or on another node of a cluster.
func TestAnOutcomeThatComesTooEarlyIsAppliedLater(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		o := d.order()
		accepted := d.settle(o.ID)
		behind := func(statements ...string) {
			t.Helper()
			for _, s := range statements {
				if err := db.Pool.Read(t.Context()).Exec(s, o.ID).Error; err != nil {
					t.Fatal(err)
				}
			}
		}

		paid := outcome(accepted, settlement.Paid)
		// As this database was a moment ago: without the order, then with it and without its
		// instruction.
		behind("CREATE TABLE later AS SELECT * FROM orders WHERE id = ?", "DELETE FROM orders WHERE id = ?")
		if a := d.apply(paid, paid); a.Waiting != 1 || a.Repeated != 1 {
			t.Errorf("outcome of an unknown order, twice: %+v, want it to wait", a)
		}
		d.wantCount("parked_messages WHERE state = 'waiting'", 1)
		d.lookAtWaiting()
		d.wantCount("parked_messages WHERE state = 'waiting'", 1)

		behind("INSERT INTO orders SELECT * FROM later WHERE id = ?",
			"UPDATE orders SET seq = 0, status = 'created', payment_no = NULL WHERE id = ?")
		d.lookAtWaiting()
		d.wantStatus(o.ID, order.Created)
		behind("DELETE FROM orders WHERE id = ?", "INSERT INTO orders SELECT * FROM later WHERE id = ?")
		d.lookAtWaiting()
		d.wantStatus(o.ID, order.Paid)
		d.wantCount("parked_messages WHERE state = 'released'", 1)
		d.wantCount("unanswered_instructions", 0)

		stranger := paid
		stranger.OrderID, stranger.PaymentNo = uuid.NewString(), uuid.NewString()
		d.apply(stranger)
		if err := db.Pool.Read(t.Context()).
			Exec("UPDATE parked_messages SET waits_since = NOW(6) - INTERVAL 5 MINUTE").Error; err != nil {
			t.Fatal(err)
		}
		d.lookAtWaiting()
		d.wantCount("notifications WHERE type = 'message.waiting'", 1)
	})
}

// An instruction that is without an outcome for too long is sent again, unchanged and with growing
// pauses, until it is answered.
func TestAnUnansweredInstructionIsSentAgain(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		one, another := d.order(), d.order()
		for outbox.QueueOf(one.ID, settlement.DefaultQueues) == outbox.QueueOf(another.ID,
			settlement.DefaultQueues) {
			another = d.order() // of another queue
		}
		first, second := d.settle(one.ID), d.settle(another.ID)
		resend := func(want int) {
			t.Helper()
			if n, err := d.store.Resend(t.Context(), 100); err != nil || n != want {
				t.Errorf("sent %d again, %v; want %d", n, err, want)
			}
		}
		exec := func(statement string) {
			t.Helper()
			if err := db.Pool.Read(t.Context()).Exec(statement).Error; err != nil {
				t.Fatal(err)
			}
		}

		resend(0)
		exec("UPDATE unanswered_instructions SET next_send_at = NOW(6)")
		// The relay is behind: nothing was lost yet.
		exec("UPDATE outbox SET created_at = created_at - INTERVAL 1 HOUR")
		resend(0)
		d.wantCount("unanswered_instructions WHERE sends = 1 AND next_send_at > NOW(6) + INTERVAL 20 SECOND",
			2)

		// One row still waits, the other is gone: its instruction may have been lost. A row of a
		// topic that the service does not send to says nothing about either.
		exec("CREATE TABLE waiting AS SELECT * FROM outbox")
		exec("UPDATE outbox SET topic = 'nobody''s' WHERE message_key = '" + second.PaymentNo + "'")
		exec("UPDATE unanswered_instructions SET next_send_at = NOW(6)")
		resend(1)
		d.wantCount("outbox o JOIN waiting w ON w.topic = o.topic AND w.message_key = o.message_key"+
			" WHERE o.message_key = '"+second.PaymentNo+"'", 1)
		d.wantCount("unanswered_instructions WHERE sends = 1 AND payment_no = '"+first.PaymentNo+"'", 1)

		exec("DELETE FROM outbox")
		exec("INSERT INTO outbox SELECT * FROM waiting")
		exec("UPDATE unanswered_instructions SET next_send_at = NOW(6)")
		exec("CREATE TABLE sent AS SELECT * FROM outbox")
		exec("DELETE FROM outbox")
		d.apply(outcome(second, settlement.Paid))
		resend(1)
		d.wantCount("outbox", 1)
		d.wantCount("outbox o JOIN sent s ON s.body = o.body AND s.message_key = o.message_key AND s.sharding_key = o.sharding_key"+
			" AND s.topic = o.topic AND s.tag = o.tag AND s.traceparent = o.traceparent", 1)
		resend(0)
		d.wantCount("unanswered_instructions WHERE sends = 2 AND next_send_at > NOW(6) + INTERVAL 50 SECOND",
			1)

		// Two instances at once: one of them sends.
		exec("DELETE FROM outbox")
		exec("UPDATE unanswered_instructions SET next_send_at = NOW(6)")
		pool := db.Open(t)
		other := store.New(pool, keeper(pool), testdb.Topics, func() {}, time.Now)
		sent := make(chan int, 2)
		for _, s := range []*store.Store{d.store, other} {
			go func() {
				n, err := s.Resend(context.WithoutCancel(t.Context()), 100)
				if err != nil {
					t.Error(err)
				}
				sent <- n
			}()
		}
		if one, two := <-sent, <-sent; one+two != 1 {
			t.Errorf("sent %d and %d times, want once", one, two)
		}

		d.apply(outcome(first, settlement.Declined))
		d.wantCount("unanswered_instructions", 0)
	})
}

func TestPagesOfOrders(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		var want []string
		for range 7 {
			want = append([]string{d.order().ID}, want...)
		}

		var got []string
		filter := store.Filter{CustomerID: "c", Status: order.Created, Limit: 3}
		for pages := 1; ; pages++ {
			page, next, err := d.store.Orders(t.Context(), filter)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page {
				got = append(got, o.ID)
			}
			if next == "" {
				if pages != 3 {
					t.Errorf("%d pages of 3 for 7 orders", pages)
				}
				break
			}
			filter.Cursor = next
		}

		if g, w := len(got), len(want); g != w || got[0] != want[0] || got[6] != want[6] {
			t.Errorf("pages hold %v, want %v", got, want)
		}
	})
}
