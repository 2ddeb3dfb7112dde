package store_test

import (
	"testing"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/order-service/internal/order"
	"settlement/order-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/money"
	"settlement/shared/operator"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

func fen(minor int64) money.Money { return money.Money{Currency: money.CNY, Minor: minor} }

// refund asks for the refund of minor, or of all that is left when minor is 0.
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

// An instruction that payment-service passed over has no outcome, so that the outcome of the next
// one would wait for ever.
func TestAGapInFrontOfARefundIsClosed(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		k := keeper(d.pool)
		decisions := operator.New(d.pool, k, parking.NewLot(d.pool, k),
			parking.Resolvers{settlement.TopicOutcome: d.store.Outcomes()})
		for name, c := range map[string]struct {
			outcome settlement.OutcomeType
			reason  string
			parked  bool // the outcome of the settle is here, with an operator
			want    order.Status
		}{
			"nothing to refund": {
				settlement.Failed, settlement.ReasonNothingToRefund, false, order.Declined,
			},
			"the settle's outcome is parked": {
				settlement.Failed, settlement.ReasonNothingToRefund, true, order.Cancelling,
			},
			"given up, perhaps behind a paid": {settlement.Failed, "discarded", false, order.Cancelling},
			"refunded, so it was paid":        {settlement.Refunded, "", false, order.Cancelling},
		} {
			o := d.order()
			settle := d.settle(o.ID)
			refund := d.refund(o.ID, 0)
			end := outcome(refund, c.outcome)
			end.Reason = c.reason
			d.apply(end)
			d.wantStatus(o.ID, order.Cancelling)

			if c.parked {
				paid := received(outcome(settle, settlement.Paid))[0]
				park := func(tx dbtx.Tx) error {
					_, err := keeper(d.pool).Park(tx, paid.Delivery, store.SubjectOf(paid.Message),
						parking.CauseFailed, "a bug")
					return err
				}
				if err := d.pool.Run(t.Context(), park); err != nil {
					t.Fatal(err)
				}
			}

			var id string
			err := db.Pool.Read(t.Context()).
				Raw("SELECT id FROM parked_messages WHERE payment_no = ?", refund.PaymentNo).Scan(&id).Error
			if err != nil {
				t.Fatal(err)
			}
			_, err = decisions.Replay(t.Context(), nil,
				operator.Decision{Operator: "o", Reason: "lost", CloseGap: true}, id)
			if refused := err != nil; refused != (c.want == order.Cancelling) {
				t.Errorf("%s: %v", name, err)
			}
			d.wantStatus(o.ID, c.want)
			d.wantCount("unanswered_instructions WHERE order_id = '"+o.ID+"'",
				map[order.Status]int64{order.Declined: 0, order.Cancelling: 2}[c.want])
		}
	})
}

// Instances of an earlier release wrote rows without refunded_minor, asked_minor and amount_minor.
func TestOrdersOfAnEarlierReleaseGoOn(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		forget := func(id string) {
			for _, statement := range []string{
				"UPDATE orders SET asked_minor = NULL, refunded_minor = 0 WHERE id = ?",
				"UPDATE payments SET amount_minor = NULL WHERE order_id = ?",
			} {
				if err := db.Pool.Read(t.Context()).Exec(statement, id).Error; err != nil {
					t.Fatal(err)
				}
			}
		}

		o := d.order()
		settle := d.settle(o.ID)
		forget(o.ID)
		paid := outcome(settle, settlement.Paid)
		d.apply(paid)
		forget(o.ID)
		if a := d.apply(paid); a.Repeated != 1 {
			t.Errorf("an outcome whose amount was not kept, again: %+v", a)
		}

		refund := d.refund(o.ID, 0)
		forget(o.ID)
		d.apply(ended(refund, settlement.Refunded, 1999))
		forget(o.ID)
		if got, err := d.store.Order(t.Context(), o.ID); err != nil ||
			got.Status != order.Refunded || got.Refunded != o.Amount {
			t.Errorf("refunded: %+v, %v", got, err)
		}

		// The earlier release settles the order anew. It does not write asked_minor, which is out
		// of date then.
		again := d.settle(o.ID)
		d.apply(outcome(again, settlement.Paid))
		if err := db.Pool.Read(t.Context()).Exec("UPDATE orders SET asked_minor = 500 WHERE id = ?", o.ID).
			Error; err != nil {
			t.Fatal(err)
		}
		if _, err := d.store.Refund(t.Context(), d.request(), o.ID, trace, nil); err != nil {
			t.Errorf("the refund of what was paid anew: %v", err)
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

		// The amount of what was applied is remembered: the same again is a repeat, another one is
		// not.
		if a := d.apply(ended(part, settlement.Refunded, 500),
			ended(part, settlement.Refunded, 1999)); a.Repeated != 1 || len(a.Conflicts) != 1 {
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

// A customer whose order is settled and refunded again and again ends with the points from before.
func TestPointsGoBackWithTheMoney(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool)
		who, err := d.store.Register(t.Context(), d.request(), "李雷", trace)
		if err != nil {
			t.Fatal(err)
		}

		o := d.order()
		if err := db.Pool.Read(t.Context()).
			Exec("UPDATE orders SET customer_id = ? WHERE id = ?", who.ID, o.ID).Error; err != nil {
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
