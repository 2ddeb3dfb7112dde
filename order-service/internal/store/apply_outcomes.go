package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm/clause"

	"settlement/order-service/internal/order"
	"settlement/shared/dbtx"
	"settlement/shared/settlement"
)

// Applied counts what became of a batch of outcomes.
type Applied struct {
	Changed  []settlement.Outcome // moved their order
	Repeated []settlement.Outcome // applied before, changed nothing
	Foreign  []settlement.Outcome // answer nothing that an order here waits for, changed nothing
}

// ApplyOutcomes applies a batch in order, in one transaction, each payment number once. Whose order is paid is rewarded
// in the same transaction.
func (s *Store) ApplyOutcomes(ctx context.Context, batch []settlement.Outcome) (Applied, error) {
	var applied Applied
	rewarded := 0
	err := s.pool.Run(ctx, func(tx dbtx.Tx) error {
		applied = Applied{}
		var paying []string
		orders, err := lockOrders(tx, batch)
		if err != nil {
			return err
		}
		seen, err := appliedBefore(tx, batch)
		if err != nil {
			return err
		}
		for _, out := range batch {
			o, known := orders[out.OrderID]
			after, of, fits := o.Apply(out, s.now())
			switch {
			case seen[out.PaymentNo]:
				applied.Repeated = append(applied.Repeated, out)
				continue
			case !known || !fits:
				applied.Foreign = append(applied.Foreign, out)
				continue
			}
			if err := applyOne(tx, out, of, o, after); err != nil {
				return err
			}
			seen[out.PaymentNo], orders[o.ID] = true, after
			applied.Changed = append(applied.Changed, out)
			if out.Type == settlement.Paid {
				paying = append(paying, o.CustomerID)
			}
		}
		rewarded, err = s.rewardPaid(tx, s.now(), paying)
		return err
	})
	if err != nil {
		return Applied{}, fmt.Errorf("apply %d outcomes: %w", len(batch), err)
	}
	if rewarded > 0 {
		s.wake()
	}
	return applied, nil
}

// applyOne inserts the payment number first: it is the unique key that lets a repeat,
// also one at the same time in another process, change nothing.
func applyOne(tx dbtx.Tx, out settlement.Outcome, of settlement.InstructionType, before, after order.Order) error {
	err := tx.DB().Create(&paymentRow{
		PaymentNo: out.PaymentNo, OrderID: out.OrderID, Type: of, Seq: out.Seq, Outcome: out.Type, OccurredAt: out.OccurredAt,
	}).Error
	if dbtx.IsDuplicateKey(err) {
		return dbtx.Again("duplicate_key", err)
	}
	if err != nil {
		return fmt.Errorf("insert payment %s: %w", out.PaymentNo, err)
	}
	return updateOrder(tx, before, after)
}

// lockOrders locks the orders of a batch, sorted by id like every other writer.
func lockOrders(tx dbtx.Tx, batch []settlement.Outcome) (map[string]order.Order, error) {
	ids := make([]string, 0, len(batch))
	for _, out := range batch {
		ids = append(ids, out.OrderID)
	}
	slices.Sort(ids)
	var rows []orderRow
	// By the primary key, said explicitly: for a large part of a small table the optimizer
	// scans instead, and a scan waits for rows that others have locked.
	err := tx.DB().Table("orders FORCE INDEX (PRIMARY)").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where("id IN ?", slices.Compact(ids)).Order("id").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("lock orders: %w", err)
	}
	orders := make(map[string]order.Order, len(rows))
	for _, row := range rows {
		orders[row.ID] = row.order()
	}
	return orders, nil
}

func appliedBefore(tx dbtx.Tx, batch []settlement.Outcome) (map[string]bool, error) {
	numbers := make([]string, 0, len(batch))
	for _, out := range batch {
		numbers = append(numbers, out.PaymentNo)
	}
	var known []string
	if err := tx.DB().Model(&paymentRow{}).Where("payment_no IN ?", numbers).Pluck("payment_no", &known).Error; err != nil {
		return nil, fmt.Errorf("find applied payments: %w", err)
	}
	seen := make(map[string]bool, len(known))
	for _, no := range known {
		seen[no] = true
	}
	return seen, nil
}
