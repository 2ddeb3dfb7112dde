package store_test

import (
	"testing"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/order-service/internal/order"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

func fen(minor int64) money.Money { return money.Money{Currency: money.CNY, Minor: minor} }

// refund asks for a part, 0 for all that is left.
func (d *desk) refund(id string, minor int64) order.Accepted {
	d.t.Helper()
	var amount *money.Money
	if minor > 0 {
		part := fen(minor)
		amount = &part
	}
	a, err := d.store.Refund(d.t.Context(), d.request(), id, trace, amount)
	if err != nil {
		d.t.Fatal(err)
	}
	return a
}

// ended is the outcome of a refund of an amount.
func ended(a order.Accepted, t settlement.OutcomeType, minor int64) settlement.Outcome {
	out := outcome(a, t)
	out.Amount = fen(minor)
	return out
}

func TestACancelledOrderTakesBothOutcomesInSequence(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		for name, early := range map[string]bool{"in sequence": false, "the second first": true} {
			t.Run(name, func(t *testing.T) {
				o := d.order()
				settle := d.settle(o.ID)
				refund := d.refund(o.ID, 0)
				if refund.Status != order.Cancelling || refund.Seq != 2 {
					t.Fatalf("cancelled as %+v", refund)
				}
				d.wantCount("unanswered_instructions WHERE order_id = '"+o.ID+"'", 2)
				paid, refunded := outcome(settle, settlement.Paid), outcome(refund, settlement.Refunded)
				if early {
					if a := d.apply(refunded); a.Waiting != 1 {
						t.Errorf("the outcome of the refund before that of the settle: %+v", a)
					}
					d.wantStatus(o.ID, order.Cancelling)
					d.apply(paid)
					d.wantStatus(o.ID, order.Refunding)
					d.lookAtWaiting()
				} else {
					d.apply(paid, refunded)
				}
				d.wantStatus(o.ID, order.Refunded)
				d.wantCount("unanswered_instructions WHERE order_id = '"+o.ID+"'", 0)
				if a := d.apply(paid, refunded); a.Repeated != 2 {
					t.Errorf("both once more: %+v", a)
				}
				d.wantCount("parked_messages WHERE state <> 'released'", 0)
			})
		}
	})
}

func TestARefundOfAPart(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		o := d.order()
		d.apply(outcome(d.settle(o.ID), settlement.Paid))
		part := d.refund(o.ID, 500)

		// An outcome of another amount is in conflict.
		if a := d.apply(ended(part, settlement.Refunded, 501)); len(a.Conflicts) != 1 {
			t.Errorf("refunded otherwise than asked: %+v", a)
		}
		d.apply(ended(part, settlement.Refunded, 500))
		d.wantStatus(o.ID, order.Paid)
		// The amount of what was applied is remembered: the same again is a repeat, another one is not.
		if a := d.apply(ended(part, settlement.Refunded, 500), ended(part, settlement.Refunded, 1999)); a.Repeated != 1 || len(a.Conflicts) != 1 {
			t.Errorf("once more, and of another amount: %+v", a)
		}
		rest := d.refund(o.ID, 0)
		d.apply(ended(rest, settlement.Refunded, 1499))
		got, err := d.store.Order(t.Context(), o.ID)
		if err != nil || got.Status != order.Refunded || got.Refunded != o.Amount {
			t.Errorf("order is %+v, %v", got, err)
		}
	})
}

// A customer who has an order settled and refunded again and again has the points of before.
func TestPointsGoBackWithTheMoney(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		who, err := d.store.Register(t.Context(), d.request(), "李雷", trace)
		if err != nil {
			t.Fatal(err)
		}
		o := d.order()
		if err := db.Pool.Read(t.Context()).Exec("UPDATE orders SET customer_id = ? WHERE id = ?", who.ID, o.ID).Error; err != nil {
			t.Fatal(err)
		}
		d.apply(outcome(d.settle(o.ID), settlement.Paid))
		d.apply(ended(d.refund(o.ID, 500), settlement.Refunded, 500))
		d.apply(ended(d.refund(o.ID, 0), settlement.Refunded, 1499))
		settle := d.settle(o.ID)
		cancel := d.refund(o.ID, 0)
		d.apply(outcome(settle, settlement.Paid), outcome(cancel, settlement.Refunded))

		var points []int64
		for _, c := range d.published()[1:] {
			points = append(points, c.Points)
		}
		if len(points) != 4 || points[0] != 2 || points[1] != -2 || points[2] != 2 || points[3] != -2 {
			t.Errorf("changes of points are %v; want 2 for paid, -2 for refunded, twice", points)
		}
	})
}
