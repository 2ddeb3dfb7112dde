package store

import (
	"context"

	"github.com/google/uuid"

	"settlement/order-service/internal/order"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
)

// CreateOrder stores a new order in status created, once per idempotency key.
func (s *Store) CreateOrder(ctx context.Context, req idempotency.Request, n order.New) (order.Order, error) {
	now := s.now()
	return idempotency.Run(ctx, s.pool, req, now, func(tx dbtx.Tx) (order.Order, error) {
		row := orderRow{
			ID: uuid.Must(uuid.NewV7()).String(), CustomerID: n.CustomerID, AccountID: n.AccountID,
			AmountMinor: n.Amount.Minor, Currency: n.Amount.Currency, Description: n.Description,
			Status: order.Created, CreatedAt: now, UpdatedAt: now,
		}
		if err := tx.DB().Create(&row).Error; err != nil {
			return order.Order{}, err
		}
		return row.order(), nil
	})
}
