package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"settlement/order-service/internal/customer"
	"settlement/shared/dbtx"
	"settlement/shared/outbox"
	"settlement/shared/settlement"
)

// customerRow is a row of customers.
type customerRow struct {
	ID        string `gorm:"primaryKey"`
	Name      string
	PointsSeq int64
	CreatedAt time.Time
}

func (customerRow) TableName() string { return "customers" }

func (r customerRow) customer() customer.Customer {
	return customer.Customer{ID: r.ID, Name: r.Name, PointsSeq: r.PointsSeq, CreatedAt: r.CreatedAt}
}

// lockCustomers locks the customers of ids that are registered, sorted by id like every other
// writer.
func lockCustomers(tx dbtx.Tx, ids []string) (map[string]customer.Customer, error) {
	ids = slices.Sorted(slices.Values(ids))
	rows, err := dbtx.LockByKey[customerRow](tx, "customers", "id", slices.Compact(ids))
	if err != nil {
		return nil, err
	}

	customers := make(map[string]customer.Customer, len(rows))
	for _, row := range rows {
		customers[row.ID] = row.customer()
	}
	return customers, nil
}

// updateCustomer writes the new sequence, provided that the row still has the one that was locked.
func updateCustomer(tx dbtx.Tx, before, after customer.Customer) error {
	res := tx.DB().Model(&customerRow{}).Where("id = ? AND points_seq = ?", before.ID, before.PointsSeq).
		Update("points_seq", after.PointsSeq)
	if res.Error != nil {
		return fmt.Errorf("update customer %s: %w", before.ID, res.Error)
	}
	if res.RowsAffected != 1 {
		return fmt.Errorf("customer %s changed under its lock: %d rows still have points_seq %d", before.ID,
			res.RowsAffected, before.PointsSeq)
	}
	return nil
}

func (s *Store) addPoints(tx dbtx.Tx, now time.Time, c settlement.PointsChange, traceparent string) error {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode change of points %s: %w", c.PointsNo, err)
	}
	return outbox.Add(tx, s.topics, now, outbox.Message{
		Topic: settlement.TopicPoints, ShardingKey: c.CustomerID, Key: c.PointsNo, Tag: string(c.Type),
		Traceparent: traceparent, Body: body,
	})
}
