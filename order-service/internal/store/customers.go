package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"settlement/order-service/internal/customer"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
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

// Register stores a new customer and the outbox row that sets the first points, once per
// idempotency key.
func (s *Store) Register(ctx context.Context, req idempotency.Request, name, traceparent string) (customer.Customer, error) {
	now := s.now()
	registered, err := idempotency.Run(ctx, s.pool, req, now, func(tx dbtx.Tx) (customer.Customer, error) {
		c := customer.Customer{ID: newID(), Name: name, CreatedAt: now}
		c, change, err := c.Registered(newID(), now)
		if err != nil {
			return customer.Customer{}, err
		}

		row := customerRow{ID: c.ID, Name: c.Name, PointsSeq: c.PointsSeq, CreatedAt: c.CreatedAt}
		if err := tx.DB().Create(&row).Error; err != nil {
			return customer.Customer{}, fmt.Errorf("insert customer: %w", err)
		}
		return c, s.addPoints(tx, now, change, traceparent)
	})
	if err == nil {
		s.wake()
	}
	return registered, err
}

// Misconduct takes points from a customer. It returns customer.ErrNotFound.
func (s *Store) Misconduct(ctx context.Context, req idempotency.Request, id, traceparent string) (customer.Accepted, error) {
	now := s.now()
	taken, err := idempotency.Run(ctx, s.pool, req, now, func(tx dbtx.Tx) (customer.Accepted, error) {
		customers, err := lockCustomers(tx, []string{id})
		if err != nil {
			return customer.Accepted{}, err
		}
		c, known := customers[id]
		if !known {
			return customer.Accepted{}, fmt.Errorf("%w: %s", customer.ErrNotFound, id)
		}

		after, change, err := c.Misconduct(newID(), now)
		if errors.Is(err, customer.ErrFull) {
			return customer.Accepted{}, &idempotency.Refusal{Code: CodeNoMorePoints, Detail: fmt.Sprintf("%s: %s", err, id)}
		}
		if err != nil {
			return customer.Accepted{}, err
		}

		if err := updateCustomer(tx, c, after); err != nil {
			return customer.Accepted{}, err
		}
		accepted := customer.Accepted{CustomerID: id, PointsNo: change.PointsNo, Seq: change.Seq}
		return accepted, s.addPoints(tx, now, change, traceparent)
	})
	if err == nil {
		s.wake()
	}
	return taken, err
}

// CodeNoMorePoints is the code of a refusal that is remembered under the idempotency key.
const CodeNoMorePoints = "points_sequence_full"

// Customer reads one customer, or returns customer.ErrNotFound.
func (s *Store) Customer(ctx context.Context, id string) (customer.Customer, error) {
	var row customerRow
	err := s.pool.Read(ctx).Where("id = ?", id).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return customer.Customer{}, fmt.Errorf("%w: %s", customer.ErrNotFound, id)
	}
	if err != nil {
		return customer.Customer{}, fmt.Errorf("read customer %s: %w", id, err)
	}
	return row.customer(), nil
}

// turn is what happened to an order of a customer: it was paid, or refunded.
type turn struct {
	customerID string
	refunded   bool
}

// reward adds points for paid orders and takes them back for refunded ones, in tx and in the order
// of turns. Only registered customers collect points. It locks customers, which come after orders
// in every writer.
func (s *Store) reward(tx dbtx.Tx, now time.Time, turns []turn) (changes int, err error) {
	if len(turns) == 0 {
		return 0, nil
	}

	ids := make([]string, 0, len(turns))
	for _, t := range turns {
		ids = append(ids, t.customerID)
	}
	before, err := lockCustomers(tx, ids)
	if err != nil {
		return 0, err
	}

	after := maps.Clone(before)
	for _, t := range turns {
		c, registered := after[t.customerID]
		if !registered {
			continue
		}
		event := customer.Customer.OrderPaid
		if t.refunded {
			event = customer.Customer.OrderRefunded
		}

		c, change, err := event(c, newID(), now)
		if errors.Is(err, customer.ErrFull) {
			continue // a payment does not fail for want of points
		}
		if err != nil {
			return 0, err
		}
		if err := s.addPoints(tx, now, change, ""); err != nil {
			return 0, err
		}
		after[c.ID] = c
		changes++
	}

	for _, id := range slices.Sorted(maps.Keys(after)) {
		if after[id] == before[id] {
			continue
		}
		if err := updateCustomer(tx, before[id], after[id]); err != nil {
			return 0, err
		}
	}
	return changes, nil
}

// lockCustomers locks the customers of ids that are registered, sorted by id like every other
// writer.
func lockCustomers(tx dbtx.Tx, ids []string) (map[string]customer.Customer, error) {
	ids = slices.Sorted(slices.Values(ids))
	var rows []customerRow
	err := tx.DB().Table("customers FORCE INDEX (PRIMARY)").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where("id IN ?", slices.Compact(ids)).Order("id").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("lock customers: %w", err)
	}

	customers := make(map[string]customer.Customer, len(rows))
	for _, row := range rows {
		customers[row.ID] = row.customer()
	}
	return customers, nil
}

// updateCustomer writes the new sequence, provided that the row still has the one that was locked.
func updateCustomer(tx dbtx.Tx, before, after customer.Customer) error {
	res := tx.DB().Model(&customerRow{}).Where("id = ? AND points_seq = ?", before.ID, before.PointsSeq).Update("points_seq", after.PointsSeq)
	if res.Error != nil {
		return fmt.Errorf("update customer %s: %w", before.ID, res.Error)
	}
	if res.RowsAffected != 1 {
		return fmt.Errorf("customer %s changed under its lock: %d rows still have points_seq %d", before.ID, res.RowsAffected, before.PointsSeq)
	}
	return nil
}

func (s *Store) addPoints(tx dbtx.Tx, now time.Time, c settlement.PointsChange, traceparent string) error {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode change of points %s: %w", c.PointsNo, err)
	}
	return outbox.Add(tx, s.topics, now, outbox.Message{
		Topic: settlement.TopicPoints, ShardingKey: c.CustomerID, Key: c.PointsNo, Tag: string(c.Type), Traceparent: traceparent, Body: body,
	})
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
