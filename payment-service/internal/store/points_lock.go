package store

import (
	"fmt"
	"maps"
	"time"

	"settlement/payment-service/internal/fence"
	"settlement/payment-service/internal/points"
	"settlement/shared/dbtx"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

// waitingPoints is a change that waits for its predecessor.
type waitingPoints = fence.Waiter[ReceivedPoints]

// pointsBatch is a batch on its way through one run of the transaction.
type pointsBatch struct {
	now       time.Time
	keeper    *parking.Keeper
	resolving string // id of the kept record that is resolved now: it must not stand in its own way

	known map[string]settlement.PointsChange // by number, what has taken effect, before or in this batch
	// By number, what failed every time: an operator has to decide on it.
	parked  map[string]settlement.PointsChange
	before  map[string]points.Balance // by customer, as it is in the database
	after   map[string]points.Balance
	waiting fence.Waiting[ReceivedPoints]

	// What write stores and then forgets.
	history   []pointsHistoryRow
	changed   []settlement.PointsChange
	conflicts []PointsConflict
	released  []string        // records of changes that were applied
	touched   map[string]bool // customers of whom a change waits

	applied PointsApplied // its lists are of what was written, its counts of all that was taken
}

func newPointsBatch(now time.Time, keeper *parking.Keeper) *pointsBatch {
	return &pointsBatch{
		now: now, keeper: keeper,
		known: map[string]settlement.PointsChange{}, parked: map[string]settlement.PointsChange{},
		waiting: fence.Waiting[ReceivedPoints]{}, touched: map[string]bool{},
	}
}

// lock makes sure that each customer has a balance row, and locks the rows sorted by key. A
// customer of whom only a later change has come needs the row too: it is what the predecessor's
// transaction waits on. The known numbers are read behind the lock, so that a copy that another
// writer has just applied is a repeat.
func (b *pointsBatch) lock(tx dbtx.Tx, batch []ReceivedPoints) error {
	ids := make([]string, 0, len(batch))
	numbers := make([]string, 0, len(batch))
	for _, r := range batch {
		ids = append(ids, r.Message.CustomerID)
		numbers = append(numbers, r.Message.PointsNo)
	}

	ids = sortedUnique(ids)
	if err := b.lockBalances(tx, ids); err != nil {
		return err
	}

	waiting, err := b.readWaiting(tx, ids)
	if err != nil {
		return err
	}
	return b.findKnown(tx, append(numbers, waiting...))
}

func (b *pointsBatch) lockBalances(tx dbtx.Tx, ids []string) error {
	rows, err := dbtx.LockByKey[pointsBalanceRow](tx, "points_balances", "customer_id", ids)
	if err != nil {
		return err
	}

	b.before = make(map[string]points.Balance, len(ids))
	for _, r := range rows {
		b.before[r.CustomerID] = points.Balance{Points: r.Points, LastSeq: r.LastSeq}
	}

	var missing []pointsBalanceRow
	for _, id := range ids {
		if _, there := b.before[id]; !there {
			missing = append(missing, pointsBalanceRow{CustomerID: id})
			b.before[id] = points.Balance{}
		}
	}
	b.after = maps.Clone(b.before)
	if len(missing) == 0 {
		return nil
	}

	err = tx.DB().Create(&missing).Error
	if dbtx.IsDuplicateKey(err) {
		return dbtx.Again("duplicate_key", err)
	}
	if err != nil {
		return fmt.Errorf("insert %d points balances: %w", len(missing), err)
	}
	return nil
}

// findKnown notes which numbers have taken effect.
func (b *pointsBatch) findKnown(tx dbtx.Tx, numbers []string) error {
	var rows []pointsHistoryRow
	if err := tx.DB().Where("points_no IN ?", numbers).Find(&rows).Error; err != nil {
		return fmt.Errorf("find known numbers of points: %w", err)
	}
	for _, r := range rows {
		b.known[r.PointsNo] = settlement.PointsChange{
			PointsNo: r.PointsNo, CustomerID: r.CustomerID, Seq: r.Seq, Type: r.Type, Points: r.ChangeBy,
		}
	}
	return nil
}

// readWaiting reads the waiting and the parked changes of the customers, and returns the numbers of
// the waiting ones.
func (b *pointsBatch) readWaiting(tx dbtx.Tx, ids []string) (numbers []string, err error) {
	kept, err := parking.Of(tx, settlement.TopicPoints, ids)
	if err != nil {
		return nil, err
	}

	for _, k := range kept {
		c, err := settlement.ParsePointsChange(k.Delivery.Body)
		// A record that cannot be read was cut by a server that takes no more: only an operator can
		// look at it.
		if k.ID == b.resolving || err != nil {
			continue
		}
		if k.State == parking.Parked {
			if k.Cause == parking.CauseFailed {
				b.parked[c.PointsNo] = c
			}
			continue
		}

		b.waiting[pointsPlace(c)] = waitingPoints{
			ID: k.ID, Received: ReceivedPoints{Message: c, Delivery: k.Delivery},
		}
		numbers = append(numbers, c.PointsNo)
	}
	return numbers, nil
}

// pointsPlace is the place that a change claims in its customer's sequence.
func pointsPlace(c settlement.PointsChange) fence.Place {
	return fence.Place{Key: c.CustomerID, Seq: c.Seq}
}
