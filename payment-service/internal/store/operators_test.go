package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/idempotency"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

func TestManyOperatorsReplayTheSameMessages(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		const operators, messages = 20, 200
		b := openBooks(t, db.Pool)
		lot, decisions, wallet := newLot(db.Pool), newDecisions(db.Pool, b.store), b.wallet(cny(10_000))
		for i := range int64(messages) {
			if _, err := lot.Park(t.Context(), received(settlement.Settle, newID(), 1, wallet, cny(1), i).
				Delivery, parking.Subject{}, parking.CausePoison, "in a test"); err != nil {
				t.Fatal(err)
			}
		}

		var wins, beaten atomic.Int64
		var working sync.WaitGroup
		for range operators {
			working.Go(func() {
				chosen, err := lot.Select(t.Context(), parking.Selection{All: true})
				if err != nil {
					t.Error(err)
				}

				for _, id := range chosen {
					_, err := decisions.Replay(t.Context(), nil, by, id)
					var refusal *idempotency.Refusal
					switch {
					case err == nil:
						wins.Add(1)
					case errors.As(err, &refusal) && refusal.Code == parking.CodeAlreadyResolved:
						beaten.Add(1)
					default:
						t.Errorf("replay of %s: %v", id, err)
					}
				}
			})
		}
		working.Wait()

		if wins.Load() != messages || beaten.Load() == 0 {
			t.Errorf("%d replays, %d too late; want each of %d messages replayed by one operator, and somebody beaten",
				wins.Load(), beaten.Load(), messages)
		}
		b.wantCount("parked_audit WHERE action = 'replay' AND operator = 'tester' AND reason = 'a test' AND"+
			" state = 'replayed'", messages)
		b.wantBalance(wallet, 10_000-messages)
		b.wantBooksClosed()
	})
}

func TestATriedReplayChangesNothing(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		lot, decisions, wallet := newLot(db.Pool), newDecisions(db.Pool, b.store), b.wallet(cny(100))
		order := newID()
		first, second := received(settlement.Settle, order, 1, wallet, cny(30),
			1), received(settlement.Refund, order, 2, wallet, cny(30), 2)
		due, ahead := b.park(lot, first), b.park(lot, second)

		if rec, err := decisions.TryReplay(t.Context(), by, due); err != nil ||
			rec.State != parking.Replayed || rec.Resolution != string(settlement.Paid) {
			t.Errorf("tried %+v, %v; want it to come to paid", rec, err)
		}
		if rec, err := decisions.TryReplay(t.Context(), by, ahead); err != nil ||
			rec.State != parking.Waiting {
			t.Errorf("tried %+v, %v; want it to come to waiting", rec, err)
		}
		b.wantCount("parked_messages WHERE state = 'parked'", 2)
		b.wantCount("parked_audit", 0)
		b.wantBalance(wallet, 100)

		b.settle(first)
		if rec, err := decisions.Replay(t.Context(), nil, by, due); err != nil ||
			rec.Resolution != "settled before: nothing changed" {
			t.Errorf("replayed %+v, %v; want it to say that it was settled before", rec, err)
		}
		b.wantBalance(wallet, 70)
		b.wantBooksClosed()
	})
}
