package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm/clause"

	"settlement/payment-service/internal/points"
	"settlement/shared/dbtx"
	"settlement/shared/settlement"
)

// PointsApplied counts what became of a batch of changes.
type PointsApplied struct {
	Changed  []settlement.PointsChange // took effect, released ones included
	Repeated int                       // their place or their number was taken before: they changed nothing
	Waiting  int                       // kept until their predecessor is there
}

// ApplyPoints applies a batch of changes in one transaction, each once and each customer's in sequence: what comes
// before its predecessor waits for it in the database.
func (s *Store) ApplyPoints(ctx context.Context, batch []settlement.PointsChange) (PointsApplied, error) {
	var applied PointsApplied
	err := s.pool.Run(ctx, func(tx dbtx.Tx) error {
		b := pointsBatch{now: s.now(), known: map[string]bool{}, waiting: map[pointsPlace]settlement.PointsChange{}, kept: map[pointsPlace]bool{}}
		if err := b.lock(tx, batch); err != nil {
			return err
		}
		for _, c := range batch {
			b.take(c)
		}
		applied = b.applied
		return b.write(tx)
	})
	if err != nil {
		return PointsApplied{}, fmt.Errorf("apply %d changes of points: %w", len(batch), err)
	}
	return applied, nil
}

// pointsPlace is one step of a customer.
type pointsPlace struct {
	customerID string
	seq        int64
}

// pointsBatch is a batch on its way through one run of the transaction.
type pointsBatch struct {
	now      time.Time
	known    map[string]bool           // numbers that have taken effect, before or in this batch
	before   map[string]points.Balance // as locked
	after    map[string]points.Balance
	waiting  map[pointsPlace]settlement.PointsChange
	kept     map[pointsPlace]bool // of them, those that have a row
	released []pointsPlace        // whose row goes
	history  []pointsHistoryRow
	applied  PointsApplied
}

// lock makes sure that each customer has a balance row, and locks them sorted by key. The row of a customer of whom
// only a later change is known has to be there too: it is what the predecessor waits on.
func (b *pointsBatch) lock(tx dbtx.Tx, batch []settlement.PointsChange) error {
	ids := make([]string, 0, len(batch))
	for _, c := range batch {
		ids = append(ids, c.CustomerID)
	}
	ids = sortedUnique(ids)
	var rows []pointsBalanceRow
	err := tx.DB().Table("points_balances FORCE INDEX (PRIMARY)").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where("customer_id IN ?", ids).Order("customer_id").Find(&rows).Error
	if err != nil {
		return fmt.Errorf("lock points: %w", err)
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
	if len(missing) > 0 {
		if err := tx.DB().Create(&missing).Error; err != nil {
			if dbtx.IsDuplicateKey(err) {
				return dbtx.Again("duplicate_key", err)
			}
			return fmt.Errorf("insert %d points balances: %w", len(missing), err)
		}
	}
	b.after = maps.Clone(b.before)
	if err := b.readWaiting(tx, ids); err != nil {
		return err
	}
	return b.findKnown(tx, batch)
}

// findKnown notes which numbers have taken effect, of those in the batch and of those that wait. This read takes no lock:
// what another writer commits after it is stopped by the unique index.
func (b *pointsBatch) findKnown(tx dbtx.Tx, batch []settlement.PointsChange) error {
	var numbers, found []string
	for _, c := range slices.AppendSeq(slices.Clone(batch), maps.Values(b.waiting)) {
		numbers = append(numbers, c.PointsNo)
	}
	if err := tx.DB().Model(&pointsHistoryRow{}).Where("points_no IN ?", numbers).Pluck("points_no", &found).Error; err != nil {
		return fmt.Errorf("find known numbers of points: %w", err)
	}
	for _, no := range found {
		b.known[no] = true
	}
	return nil
}

func (b *pointsBatch) readWaiting(tx dbtx.Tx, ids []string) error {
	var rows []pointsWaitingRow
	if err := tx.DB().Where("customer_id IN ?", ids).Find(&rows).Error; err != nil {
		return fmt.Errorf("read waiting points: %w", err)
	}
	for _, r := range rows {
		c, err := settlement.ParsePointsChange(r.Body)
		if err != nil {
			return fmt.Errorf("waiting points of customer %s, seq %d: %w", r.CustomerID, r.Seq, err)
		}
		at := pointsPlace{r.CustomerID, r.Seq}
		b.waiting[at], b.kept[at] = c, true
	}
	return nil
}

// take takes one change past the fence and, if it was due, whoever waited for it.
func (b *pointsBatch) take(c settlement.PointsChange) {
	at := pointsPlace{c.CustomerID, c.Seq}
	if b.known[c.PointsNo] {
		b.applied.Repeated++
		return
	}
	switch b.after[c.CustomerID].Place(c) {
	case points.Stale:
		b.applied.Repeated++
	case points.Ahead:
		if _, taken := b.waiting[at]; taken {
			b.applied.Repeated++
			return
		}
		b.waiting[at] = c
		b.applied.Waiting++
	case points.Due:
		b.apply(c)
		b.releaseWaiting(c.CustomerID)
	}
}

func (b *pointsBatch) apply(c settlement.PointsChange) {
	balance := b.after[c.CustomerID].Apply(c)
	b.after[c.CustomerID] = balance
	b.known[c.PointsNo] = true
	b.history = append(b.history, pointsHistoryRow{
		CustomerID: c.CustomerID, Seq: c.Seq, PointsNo: c.PointsNo, Type: c.Type, ChangeBy: c.Points, Points: balance.Points,
		Reason: c.Reason, OccurredAt: c.OccurredAt, CreatedAt: b.now,
	})
	b.applied.Changed = append(b.applied.Changed, c)
}

// releaseWaiting applies whoever waits for the customer's next place, and so on. One whose number has taken effect
// elsewhere ends there and fills no place.
func (b *pointsBatch) releaseWaiting(customerID string) {
	for {
		at := pointsPlace{customerID, b.after[customerID].LastSeq + 1}
		next, waits := b.waiting[at]
		if !waits {
			return
		}
		delete(b.waiting, at)
		if b.kept[at] {
			b.released = append(b.released, at)
		} else {
			b.applied.Waiting--
		}
		if b.known[next.PointsNo] {
			b.applied.Repeated++
			return
		}
		b.apply(next)
	}
}

// write stores what was taken: history, waiting ones, balances.
func (b *pointsBatch) write(tx dbtx.Tx) error {
	if len(b.history) > 0 {
		if err := tx.DB().Create(&b.history).Error; dbtx.IsDuplicateKey(err) {
			return dbtx.Again("duplicate_key", err) // another writer was first with one of the numbers: the next run finds it
		} else if err != nil {
			return fmt.Errorf("insert %d changes of points: %w", len(b.history), err)
		}
	}
	for at, c := range b.waiting {
		if b.kept[at] {
			continue
		}
		body, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode change of points %s: %w", c.PointsNo, err)
		}
		if err := tx.DB().Create(&pointsWaitingRow{CustomerID: at.customerID, Seq: at.seq, Body: body, CreatedAt: b.now}).Error; err != nil {
			return fmt.Errorf("keep change of points %s waiting: %w", c.PointsNo, err)
		}
	}
	for _, at := range b.released {
		if err := tx.DB().Where("customer_id = ? AND seq = ?", at.customerID, at.seq).Delete(&pointsWaitingRow{}).Error; err != nil {
			return fmt.Errorf("release waiting points of customer %s, seq %d: %w", at.customerID, at.seq, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.after)) {
		before, after := b.before[id], b.after[id]
		if before == after {
			continue
		}
		res := tx.DB().Model(&pointsBalanceRow{}).Where("customer_id = ? AND last_seq = ?", id, before.LastSeq).
			Updates(map[string]any{"points": after.Points, "last_seq": after.LastSeq})
		if res.Error != nil {
			return fmt.Errorf("update points of customer %s: %w", id, res.Error)
		}
		if res.RowsAffected != 1 {
			return fmt.Errorf("points of customer %s changed under their lock: %d rows have last_seq %d", id, res.RowsAffected, before.LastSeq)
		}
	}
	return nil
}
