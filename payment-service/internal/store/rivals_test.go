package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/payment-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/settlement"
)

// Three processes settle the same new orders, each in a shuffled order and in batches of its own.
func TestRivalsOnNewOrders(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		const rounds, orders = 20, 3
		b := openBooks(t, db.Pool)
		wallet := b.wallet(cny(100_000))
		draw := rand.New(rand.NewPCG(1, 2))
		for round := range rounds {
			var messages []store.Received
			for o := range orders {
				id, offset := newID(), int64(100*round+10*o)
				messages = append(messages,
					received(settlement.Settle, id, 1, wallet, cny(10), offset),
					received(settlement.Refund, id, 2, wallet, cny(10), offset+1),
					received(settlement.Settle, id, 3, wallet, cny(10), offset+2))
			}

			var rivals sync.WaitGroup
			for range 3 {
				mine := slices.Clone(messages)
				draw.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
				size := 1 + draw.IntN(4)
				s := newStore(db.Open(t))
				rivals.Go(func() {
					for batch := range slices.Chunk(mine, size) {
						if err := untilSettled(t.Context(), s, batch); err != nil {
							t.Error(err)
						}
					}
				})
			}
			rivals.Wait()
		}

		b.wantBalance(wallet, 100_000-rounds*orders*10)
		b.wantCount("payment_numbers WHERE outcome IN ('paid', 'refunded')", rounds*orders*3)
		b.wantCount("(SELECT DISTINCT message_key FROM outbox) AS reported", rounds*orders*3)
		b.wantCount("parked_messages WHERE state = 'waiting'", 0)
		b.wantBooksClosed()
	})
}

// A successor that was released by its predecessor and comes again in the same batch is a repeat.
// It is not another claim to its place.
func TestAReleasedSuccessorThatComesAgainIsARepeat(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		wallet, order := b.wallet(cny(100)), newID()
		first := received(settlement.Settle, order, 1, wallet, cny(10), 0)
		second := received(settlement.Refund, order, 2, wallet, cny(10), 1)
		b.settle(second)
		if s := b.settle(first, second); len(s.Conflicts) != 0 || s.Repeated != 1 || s.Released != 1 {
			t.Errorf("%+v, want the second a repeat", s)
		}
	})
}

// A batch waits for its own rows only, also while it is a large part of a small table.
func TestABatchDoesNotWaitForForeignRows(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		const wallets = 40
		var mine []store.Received
		for i := range wallets {
			mine = append(mine, received(settlement.Settle, newID(), 1, b.wallet(cny(100)), cny(1), int64(i)))
		}

		foreign := mine[wallets-1].Message.AccountID
		held, settled := make(chan struct{}), make(chan struct{})
		other := make(chan error, 1)
		go func() {
			other <- db.Open(t).Run(t.Context(), func(tx dbtx.Tx) error {
				if err := tx.DB().Exec("UPDATE accounts SET balance_minor = balance_minor + 1 WHERE id = ?",
					foreign).Error; err != nil {
					return err
				}
				if err := tx.DB().Exec("INSERT INTO order_progress (order_id, last_seq) VALUES (?, 1)",
					newID()).Error; err != nil {
					return err
				}
				close(held)
				select {
				case <-settled:
				case <-time.After(8 * time.Second):
					return fmt.Errorf("a batch waited for rows that are not its own")
				}
				return nil
			})
		}()

		<-held
		for _, n := range []int{1, 8, 32} {
			b.settle(mine[:n]...)
			for i := range n { // new orders for the next round
				mine[i] = received(settlement.Settle, newID(), 1, mine[i].Message.AccountID,
					cny(1), int64(100*n+i))
			}
		}

		close(settled)
		if err := <-other; err != nil {
			t.Error(err)
		}
	})
}
