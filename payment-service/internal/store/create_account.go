package store

import (
	"context"

	"github.com/google/uuid"

	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/money"
)

// CreateAccount opens an empty wallet, once per idempotency key.
func (s *Store) CreateAccount(
	ctx context.Context, req idempotency.Request, owner string, currency money.Currency,
) (payment.Account, error) {
	now := s.now()
	return idempotency.Run(ctx, s.pool, req, now, func(tx dbtx.Tx) (payment.Account, error) {
		row := accountRow{
			ID: uuid.Must(uuid.NewV7()).String(), Owner: owner, Currency: currency, CreatedAt: now,
		}
		if err := tx.DB().Create(&row).Error; err != nil {
			return payment.Account{}, err
		}
		return row.account(), nil
	})
}
