package store_test

import (
	"errors"
	"testing"
	"time"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/payment-service/internal/parking"
	"settlement/payment-service/internal/store"
	"settlement/shared/idempotency"
	"settlement/shared/settlement"
)

// park puts a message that could be settled among the parked ones and returns its id.
func (b *books) park(lot *parking.Lot, r store.Received) string {
	b.t.Helper()
	if _, err := lot.Park(b.t.Context(), r.Delivery, "in a test"); err != nil {
		b.t.Fatal(err)
	}
	page, _, err := lot.List(b.t.Context(), parking.Parked, "", 1)
	if err != nil || len(page) != 1 {
		b.t.Fatalf("parked %v, %v", page, err)
	}
	return page[0].ID
}

func TestReplay(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		lot := parking.NewLot(db.Pool, b.store.Replay, time.Now)
		wallet, order := b.wallet(cny(100)), newID()

		t.Run("ahead of its order waits and is released", func(t *testing.T) {
			refund := received(settlement.Refund, order, 2, wallet, cny(30), 1)
			id := b.park(lot, refund)
			var refusal *idempotency.Refusal
			if _, err := lot.Replay(t.Context(), b.request(), id); !errors.As(err, &refusal) || refusal.Code != parking.CodeNotReplayable {
				t.Errorf("replay: %v, want a refusal that says it waits", err)
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
			if _, err := lot.Replay(t.Context(), b.request(), id); !errors.As(err, &refusal) || refusal.Code != parking.CodeNotReplayable {
				t.Errorf("replay: %v, want a refusal: there is no such payment", err)
			}
			b.wantBalance(wallet, 100)
			if _, err := lot.Discard(t.Context(), b.request(), id, "a test"); err != nil {
				t.Error(err)
			}
		})
		t.Run("due", func(t *testing.T) {
			r := received(settlement.Settle, order, 3, wallet, cny(30), 4)
			id := b.park(lot, r)
			rec, err := lot.Replay(t.Context(), b.request(), id)
			if err != nil || rec.State != parking.Replayed {
				t.Errorf("replayed %+v, %v", rec, err)
			}
			if m, err := b.store.Payment(t.Context(), r.Instruction.PaymentNo); err != nil || m.Outcome != settlement.Paid {
				t.Errorf("payment %+v, %v", m, err)
			}
			b.wantBalance(wallet, 70)
		})
		b.wantBooksClosed()
	})
}
