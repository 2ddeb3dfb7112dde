package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/order-service/internal/order"
	"settlement/order-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

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
	d.store = store.New(pool, testdb.Topics, func() { d.wakes.Add(1) }, time.Now)
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
		CustomerID: "c", AccountID: uuid.NewString(), Amount: money.Money{Currency: money.CNY, Minor: 1999}, Description: "茶",
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
	applied, err := d.store.ApplyOutcomes(d.t.Context(), outcomes)
	if err != nil {
		d.t.Fatal(err)
	}
	return applied
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
		if row.Topic != "settlement" || row.ShardingKey != o.ID || row.MessageKey != accepted.PaymentNo || row.Tag != "settle" || row.Traceparent != trace {
			t.Errorf("outbox row %+v", row)
		}
		in, err := settlement.ParseInstruction(row.Body)
		if err != nil {
			t.Fatal(err)
		}
		if in.PaymentNo != accepted.PaymentNo || in.OrderID != o.ID || in.Seq != 1 || in.AccountID != o.AccountID || in.Amount != o.Amount {
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
		_, err := d.store.Refund(t.Context(), d.request(), o.ID, trace)
		var refusal *idempotency.Refusal
		if !errors.As(err, &refusal) || refusal.Code != store.CodeNotRefundable {
			t.Errorf("refund of an unpaid order: %v", err)
		}
		if _, err := d.store.Settle(t.Context(), d.request(), uuid.NewString(), trace); !errors.Is(err, order.ErrNotFound) {
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
		if a := d.apply(paid, paid); len(a.Changed) != 1 || len(a.Repeated) != 1 {
			t.Errorf("the outcome twice in a batch: %+v", a)
		}
		if a := d.apply(paid); len(a.Repeated) != 1 {
			t.Errorf("the outcome once more: %+v", a)
		}
		refund, err := d.store.Refund(t.Context(), d.request(), o.ID, trace)
		if err != nil {
			t.Fatal(err)
		}
		// The old outcome once more, while another instruction is under way.
		if a := d.apply(paid, outcome(refund, settlement.Refunded)); len(a.Repeated) != 1 || len(a.Changed) != 1 {
			t.Errorf("late repeat and refund: %+v", a)
		}
		d.wantStatus(o.ID, order.Refunded)
		var kinds []string
		if err := db.Pool.Read(t.Context()).Table("payments").Where("order_id = ?", o.ID).Order("seq").Pluck("type", &kinds).Error; err != nil {
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
		other := store.New(db.Open(t), testdb.Topics, func() {}, time.Now)
		var batch []settlement.Outcome
		for range 16 {
			batch = append(batch, outcome(d.settle(d.order().ID), settlement.Paid))
		}
		changed := make(chan int, 2)
		for _, s := range []*store.Store{d.store, other} {
			go func() {
				a, err := s.ApplyOutcomes(context.WithoutCancel(t.Context()), batch)
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

func TestForeignOutcomesChangeNothing(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		o := d.order()
		accepted := d.settle(o.ID)
		unknownOrder, unknownNumber, wrongType := accepted, accepted, outcome(accepted, settlement.Refunded)
		unknownOrder.OrderID, unknownNumber.PaymentNo = uuid.NewString(), uuid.NewString()
		a := d.apply(outcome(unknownOrder, settlement.Paid), outcome(unknownNumber, settlement.Paid), wrongType)
		if len(a.Foreign) != 3 {
			t.Errorf("%+v, want 3 foreign", a)
		}
		d.wantStatus(o.ID, order.Settling)
		if a := d.apply(outcome(accepted, settlement.Paid)); len(a.Changed) != 1 {
			t.Errorf("the real outcome afterwards: %+v", a)
		}
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
