package store

import (
	"context"
	"fmt"

	"settlement/order-service/internal/customer"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
)

// Register stores a new customer and the outbox row that sets the first points, once per
// idempotency key.
func (s *Store) Register(
	ctx context.Context, req idempotency.Request, name, traceparent string,
) (customer.Customer, error) {
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
