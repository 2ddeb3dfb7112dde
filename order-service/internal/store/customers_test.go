package store_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/order-service/internal/customer"
	"settlement/order-service/internal/order"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

// published are the changes of points in the outbox, oldest first.
func (d *desk) published() (changes []settlement.PointsChange) {
	d.t.Helper()
	var bodies [][]byte
	if err := d.pool.Read(d.t.Context()).Table("outbox").Where("topic = ?", settlement.TopicPoints).
		Order("id").Pluck("body", &bodies).Error; err != nil {
		d.t.Fatal(err)
	}
	for _, body := range bodies {
		c, err := settlement.ParsePointsChange(body)
		if err != nil {
			d.t.Errorf("payment-service would park it: %v", err)
		}
		changes = append(changes, c)
	}
	return changes
}

func TestACustomerCollectsPoints(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		who, err := d.store.Register(t.Context(), d.request(), "李雷", trace)
		if err != nil {
			t.Fatal(err)
		}
		o, err := d.store.CreateOrder(t.Context(), d.request(), order.New{
			CustomerID: who.ID, AccountID: uuid.NewString(),
			Amount: money.Money{Currency: money.CNY, Minor: 1999},
		})
		if err != nil {
			t.Fatal(err)
		}

		accepted := d.settle(o.ID)
		paid := settlement.Outcome{
			Version: settlement.Version, Type: settlement.Paid, PaymentNo: accepted.PaymentNo, OrderID: o.ID,
			Seq:    1,
			Amount: o.Amount, OccurredAt: time.Now().UTC(),
		}
		for range 3 { // it comes again
			if _, err := d.store.ApplyOutcomes(t.Context(), received(paid, paid)); err != nil {
				t.Fatal(err)
			}
		}

		req := d.request()
		for range 2 { // the client asks again
			if a, err := d.store.Misconduct(t.Context(), req, who.ID, trace); err != nil || a.Seq != 3 {
				t.Errorf("misconduct: %+v, %v", a, err)
			}
		}

		got := d.published()
		for i := range got {
			if got[i].CustomerID != who.ID || got[i].PointsNo == "" || got[i].OccurredAt.IsZero() {
				t.Errorf("change %+v", got[i])
			}
			got[i] = settlement.PointsChange{Type: got[i].Type, Seq: got[i].Seq, Points: got[i].Points}
		}
		want, _ := json.Marshal([]settlement.PointsChange{
			{Type: "set", Seq: 1, Points: 10},
			{Type: "add", Seq: 2, Points: 2},
			{Type: "add", Seq: 3, Points: -3},
		})
		if have, _ := json.Marshal(got); string(have) != string(want) {
			t.Errorf("published %s, want %s", have, want)
		}

		if now, err := d.store.Customer(t.Context(), who.ID); err != nil ||
			now.PointsSeq != 3 || now.Name != "李雷" {
			t.Errorf("customer %+v, %v", now, err)
		}
		if _, err := d.store.Misconduct(t.Context(), d.request(),
			uuid.NewString(), trace); !errors.Is(err, customer.ErrNotFound) {
			t.Errorf("misconduct of a stranger: %v, want ErrNotFound", err)
		}
	})
}
