package store_test

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/payment-service/internal/payment"
	"settlement/payment-service/internal/store"
	"settlement/shared/idempotency"
	"settlement/shared/intake"
	"settlement/shared/operator"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

// by is the decision of the operator in a test.
var by = operator.Decision{Operator: "tester", Reason: "a test"}

// park puts a message that could be settled among the parked ones and returns its id.
func (b *books) park(lot *parking.Lot, r store.Received) string {
	b.t.Helper()
	if _, err := lot.Park(b.t.Context(), r.Delivery, parking.Subject{},
		parking.CausePoison, "in a test"); err != nil {
		b.t.Fatal(err)
	}
	page, _, err := lot.List(b.t.Context(), parking.Filter{State: parking.Parked, Limit: 1})
	if err != nil || len(page) != 1 {
		b.t.Fatalf("parked %v, %v", page, err)
	}
	return page[0].ID
}

func subject(r store.Received) parking.Subject {
	return parking.Subject{Number: r.Message.PaymentNo, OrderingKey: r.Message.OrderID, Seq: r.Message.Seq}
}

// failEveryTime parks an instruction as one that failed as often as it may.
func failEveryTime(t *testing.T, lot *parking.Lot, r store.Received) {
	t.Helper()
	parked, tries, err := lot.Failed(t.Context(), parking.Failure{
		Delivery: r.Delivery, Subject: subject(r), Executions: parking.TriesMax, Alone: true,
		Err: errors.New("a bug"),
	})
	if err != nil || !parked || tries != parking.TriesMax {
		t.Fatalf("parked %t after %d tries, %v", parked, tries, err)
	}
}

// tryWaiting looks once at each message that waits, as the service does every second.
func (b *books) tryWaiting() {
	b.t.Helper()
	lot := newLot(b.pool)
	policies := []*intake.Policy{
		intake.NewPolicy(settlement.TopicSettlement, lot, prometheus.NewRegistry(), quiet),
		intake.NewPolicy(settlement.TopicPoints, lot, prometheus.NewRegistry(), quiet),
	}
	if err := intake.NewWaiting(lot, resolvers(b.store), quiet, policies...).
		Round(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// A copy of an instruction that waits for an operator waits too: it is not tried behind the
// operator's back.
func TestACopyOfAParkedInstructionChangesNothing(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		lot, decisions := newLot(db.Pool), newDecisions(db.Pool, b.store)
		wallet := b.wallet(cny(100))

		for _, decide := range []func(id string) error{
			func(id string) error { _, err := decisions.Replay(t.Context(), nil, by, id); return err },
			func(id string) error { _, err := decisions.Discard(t.Context(), nil, by, id); return err },
		} {
			first := received(settlement.Settle, newID(), 1, wallet, cny(30), 1)
			failEveryTime(t, lot, first)
			page, _, err := lot.List(t.Context(), parking.Filter{State: parking.Parked, Limit: 2})
			if err != nil || len(page) != 1 {
				t.Fatalf("parked %v, %v", page, err)
			}

			again := first
			again.Delivery.Offset = 2
			refund := received(settlement.Refund, first.Message.OrderID, 2, wallet, cny(30), 3)
			if s := b.settle(again, refund); s.Repeated != 1 || s.Waiting != 1 || len(s.Decided) != 0 {
				t.Errorf("%+v, want a repeat, and its successor to wait", s)
			}

			if err := decide(page[0].ID); err != nil {
				t.Fatal(err)
			}
			b.wantCount("payment_numbers WHERE order_id = '"+first.Message.OrderID+"'", 2)
			if s := b.settle(again, refund); s.Repeated != 2 {
				t.Errorf("%+v, want repeats", s)
			}
		}

		b.wantBalance(wallet, 100) // the first was paid and refunded, the second neither
		b.wantBooksClosed()
	})
}

func TestReplay(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		lot, decisions := newLot(db.Pool), newDecisions(db.Pool, b.store)
		wallet, order := b.wallet(cny(100)), newID()

		t.Run("ahead of its order waits and is released", func(t *testing.T) {
			refund := received(settlement.Refund, order, 2, wallet, cny(30), 1)
			id := b.park(lot, refund)
			if rec, err := decisions.Replay(t.Context(), nil, by, id); err != nil ||
				rec.State != parking.Waiting {
				t.Errorf("replayed %+v, %v; want it to wait", rec, err)
			}
			b.wantCount("parked_messages WHERE state = 'waiting'", 1)
			if s := b.settle(received(settlement.Settle, order, 1, wallet, cny(30), 2)); s.Released != 1 {
				t.Errorf("%+v, want the refund released", s)
			}
			b.wantBalance(wallet, 100)
		})

		t.Run("its place is taken", func(t *testing.T) {
			id := b.park(lot, received(settlement.Settle, order, 1, wallet, cny(30), 3))
			var refusal *idempotency.Refusal
			if _, err := decisions.Replay(t.Context(), nil, by, id); !errors.As(err, &refusal) ||
				refusal.Code != parking.CodeNotReplayable {
				t.Errorf("replay: %v, want a refusal: there is no such payment", err)
			}
			b.wantBalance(wallet, 100)
			if _, err := decisions.Discard(t.Context(), nil, by, id); err != nil {
				t.Error(err)
			}
		})

		t.Run("due", func(t *testing.T) {
			r := received(settlement.Settle, order, 3, wallet, cny(30), 4)
			id := b.park(lot, r)
			rec, err := decisions.Replay(t.Context(), nil, by, id)
			if err != nil || rec.State != parking.Replayed {
				t.Errorf("replayed %+v, %v", rec, err)
			}
			if m, err := b.store.Payment(t.Context(), r.Message.PaymentNo); err != nil ||
				m.Outcome != settlement.Paid {
				t.Errorf("payment %+v, %v", m, err)
			}
			b.wantBalance(wallet, 70)
		})

		b.wantBooksClosed()
	})
}

func TestDiscard(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		lot, decisions := newLot(db.Pool), newDecisions(db.Pool, b.store)
		wallet, order := b.wallet(cny(100)), newID()
		settle := received(settlement.Settle, order, 1, wallet, cny(30), 1)
		refund := received(settlement.Refund, order, 2, wallet, cny(30), 2)
		again := received(settlement.Settle, order, 3, wallet, cny(40), 3)
		first, second := b.park(lot, settle), b.park(lot, refund)
		b.settle(again) // waits

		var refusal *idempotency.Refusal
		if _, err := decisions.Discard(t.Context(), nil, by, second); !errors.As(err, &refusal) ||
			refusal.Code != parking.CodeNotDiscardable {
			t.Errorf("discard of a successor: %v, want a refusal that names its predecessor", err)
		}
		if rec, err := decisions.Discard(t.Context(), nil, by, first); err != nil ||
			rec.State != parking.Discarded {
			t.Fatalf("discarded %+v, %v", rec, err)
		}
		if m, err := b.store.Payment(t.Context(), settle.Message.PaymentNo); err != nil ||
			m.Outcome != settlement.Failed || m.Reason != payment.ReasonDiscarded {
			t.Errorf("payment %+v, %v; want it failed", m, err)
		}

		if s := b.settle(settle); s.Repeated != 1 {
			t.Errorf("the message once more: %+v, want it known", s)
		}
		if _, err := decisions.Discard(t.Context(), nil, by, second); err != nil {
			t.Error(err)
		}
		b.wantCount("parked_messages WHERE state = 'released'", 1) // seq 3
		// With the first's outcome, which is reported again when its message comes once more.
		b.wantCount("outbox", 4)
		b.wantBalance(wallet, 60)

		late := received(settlement.Settle, newID(), 1, wallet, cny(10), 4)
		id := b.park(lot, late)
		b.settle(late)
		if _, err := decisions.Discard(t.Context(), nil, by, id); !errors.As(err, &refusal) ||
			refusal.Code != parking.CodeNotDiscardable {
			t.Errorf("discard of what was settled meanwhile: %v, want a refusal", err)
		}
		b.wantCount("parked_messages WHERE state = 'parked'", 1)
		b.wantBooksClosed()
	})
}
