package store_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/payment-service/internal/points"
	"settlement/payment-service/internal/store"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// story is what happens to a customer: registered, then n times a paid order and misconduct.
func story(customer string, n int) (changes []settlement.PointsChange, after []int64) {
	now, sum := time.Now().UTC().Truncate(time.Microsecond), int64(0)
	add := func(t settlement.PointsType, p int64) {
		if sum += p; t == settlement.PointsSet {
			sum = p
		}
		after = append(after, sum)
		changes = append(changes, settlement.PointsChange{
			Version: settlement.Version, Type: t, PointsNo: newID(), CustomerID: customer,
			Seq: int64(len(changes) + 1), Points: p,
			Reason: "a test", OccurredAt: now,
		})
	}

	add(settlement.PointsSet, 10)
	for range n {
		add(settlement.PointsAdd, 2)
		add(settlement.PointsAdd, -3)
	}
	return changes, after
}

// pointsOf are changes as they would come from the topic, each from an offset of its own.
func pointsOf(changes ...settlement.PointsChange) []store.ReceivedPoints {
	batch := make([]store.ReceivedPoints, 0, len(changes))
	for _, c := range changes {
		body, err := json.Marshal(c)
		if err != nil {
			panic(err)
		}
		batch = append(batch, store.ReceivedPoints{Message: c, Delivery: rocketmq.Delivery{
			Topic: settlement.TopicPoints, Offset: pointsOffset.Add(1), MessageID: "m", Body: body,
		}})
	}
	return batch
}

var pointsOffset atomic.Int64

func (b *books) wantPoints(customer string, after []int64) {
	b.t.Helper()
	balance, page, more, err := b.store.Points(b.t.Context(), customer, 0, len(after)+1)
	if err != nil || more {
		b.t.Fatalf("points of customer %s: more %t, %v", customer, more, err)
	}

	var was []int64
	for _, c := range slices.Backward(page) {
		was = append(was, c.Points)
	}
	if !slices.Equal(was, after) ||
		balance != (points.Balance{Points: after[len(after)-1], LastSeq: int64(len(after))}) {
		b.t.Errorf("points were %v and are %+v, want %v", was, balance, after)
	}
	b.wantCount("parked_messages WHERE topic = 'points' AND state = 'waiting' AND order_id = '"+
		customer+"'", 0)
}

func TestPointsInAnyOrderComeToTheSame(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		customer := newID()
		if _, _, _, err := b.store.Points(t.Context(), customer, 0, 1); !errors.Is(err, points.ErrNotFound) {
			t.Errorf("points of a stranger: %v, want ErrNotFound", err)
		}

		changes, after := story(customer, 3)
		backwards := slices.Clone(changes)
		slices.Reverse(backwards)

		for _, c := range backwards { // each before its predecessor
			if _, err := b.store.ApplyPoints(t.Context(), pointsOf(c, c)); err != nil {
				t.Fatal(err)
			}
		}
		b.wantPoints(customer, after)

		applied, err := b.store.ApplyPoints(t.Context(), pointsOf(backwards...))
		if err != nil || applied.Repeated != len(backwards) {
			t.Errorf("all of them once more: %+v, %v; want only repeats", applied, err)
		}
		b.wantPoints(customer, after)
	})
}

// Several consumers of one queue at the same time, each with every message, in any order.
func TestPointsFromRivalConsumers(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		const customers, rivals = 8, 6
		b := openBooks(t, db.Pool)
		var all []settlement.PointsChange
		after := map[string][]int64{}
		for range customers {
			id := newID()
			changes, points := story(id, 5)
			all, after[id] = append(all, changes...), points
		}

		var working sync.WaitGroup
		for i := range rivals {
			draw := rand.New(rand.NewPCG(7, uint64(i)))
			mine, own := slices.Clone(all), newStore(db.Open(t))
			draw.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			working.Go(func() {
				for batch := range slices.Chunk(mine, 1+draw.IntN(9)) {
					for try := 0; ; try++ {
						_, err := own.ApplyPoints(t.Context(), pointsOf(batch...))
						if err == nil {
							break
						}
						if try == 20 {
							t.Errorf("batch fails every time: %v", err)
							return
						}
					}
				}
			})
		}

		working.Wait()
		for id, points := range after {
			b.wantPoints(id, points)
		}
	})
}

// A change whose number has taken effect elsewhere changes nothing and takes no place, also when it
// has waited.
func TestANumberOfPointsCountsOnce(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		one, other := newID(), newID()
		changes, after := story(one, 1)
		others, othersAfter := story(other, 1)
		copies := slices.Clone(changes)
		for i := range copies {
			copies[i].CustomerID, copies[i].Seq = other, others[i].Seq
		}

		apply := func(batch ...settlement.PointsChange) store.PointsApplied {
			t.Helper()
			applied, err := b.store.ApplyPoints(t.Context(), pointsOf(batch...))
			if err != nil {
				t.Fatal(err)
			}
			return applied
		}

		if got := apply(copies[2]); got.Waiting != 1 { // nothing shows yet that it is a copy
			t.Errorf("a copy that is ahead: %+v, want it to wait", got)
		}
		apply(changes...)
		if got := apply(copies[0], copies[1]); len(got.Conflicts) != 2 || len(got.Changed) != 0 {
			t.Errorf("copies for another customer: %+v, want conflicts", got)
		}
		b.wantCount("parked_messages WHERE topic = 'points' AND state = 'parked' AND cause = 'conflict'", 2)
		if got := apply(others[0], others[1]); len(got.Changed) != 2 {
			t.Errorf("the other customer's own: %+v, want 2 changes", got)
		}
		apply(others[2])

		b.tryWaiting() // the copy that has waited
		b.wantCount("parked_messages WHERE topic = 'points' AND state = 'parked' AND cause = 'conflict'", 3)
		b.wantCount("notifications WHERE type = 'message.parked'", 3)
		b.wantPoints(one, after)
		b.wantPoints(other, othersAfter)
	})
}

// A change that fails when it is released is not its predecessor's fault: the predecessor takes
// effect, and the change waits on until it is tried by itself.
func TestAFailingChangeOfPointsIsNotBlamedOnItsPredecessor(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		b := openBooks(t, db.Pool)
		customer := newID()
		changes, after := story(customer, 1)
		sql := func(statement string) {
			t.Helper()
			if err := db.Pool.Read(t.Context()).Exec(statement).Error; err != nil {
				t.Fatal(err)
			}
		}
		sql("CREATE TRIGGER refuse BEFORE INSERT ON points_history FOR EACH ROW BEGIN IF NEW.seq = 2" +
			" THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a bug'; END IF; END")

		if _, err := b.store.ApplyPoints(t.Context(), pointsOf(changes[1], changes[2])); err != nil {
			t.Fatal(err)
		}
		applied, err := b.store.ApplyPoints(t.Context(), pointsOf(changes[0]))
		if err != nil || len(applied.Changed) != 1 || applied.Unreleased == nil {
			t.Errorf("%+v, %v: want the first change alone to take effect, and to hear why the others wait",
				applied, err)
		}
		b.wantCount("points_history WHERE customer_id = '"+customer+"'", 1)
		b.wantCount("parked_messages WHERE state = 'waiting' AND order_id = '"+customer+"'", 2)

		sql("DROP TRIGGER refuse")
		b.tryWaiting()
		b.wantPoints(customer, after)
	})
}
