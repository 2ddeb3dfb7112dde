package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"settlement/payment-service/internal/payment"
)

// Account reads one wallet, or returns payment.ErrAccountNotFound.
func (s *Store) Account(ctx context.Context, id string) (payment.Account, error) {
	var row accountRow
	err := s.pool.Read(ctx).Where("id = ?", id).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return payment.Account{}, fmt.Errorf("%w: %s", payment.ErrAccountNotFound, id)
	}
	if err != nil {
		return payment.Account{}, fmt.Errorf("read account %s: %w", id, err)
	}
	return row.account(), nil
}

// Entries reads a page of a wallet's entries, newest first: those with an id below
// before (0: from the newest), at most limit. more says whether older ones are left.
func (s *Store) Entries(
	ctx context.Context, accountID string, before uint64, limit int,
) (page []payment.Entry, more bool, err error) {
	if _, err := s.Account(ctx, accountID); err != nil {
		return nil, false, err
	}

	query := s.pool.Read(ctx).Where("account_id = ?", accountID).Order("id DESC").Limit(limit + 1)
	if before > 0 {
		query = query.Where("id < ?", before)
	}
	var rows []entryRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, false, fmt.Errorf("list entries of account %s: %w", accountID, err)
	}
	if len(rows) > limit {
		rows, more = rows[:limit], true
	}

	for _, row := range rows {
		page = append(page, row.entry())
	}
	return page, more, nil
}

// Payment reads one decided payment number, or returns payment.ErrPaymentNotFound.
func (s *Store) Payment(ctx context.Context, paymentNo string) (payment.Movement, error) {
	var row movementRow
	err := s.pool.Read(ctx).Where("payment_no = ?", paymentNo).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return payment.Movement{}, fmt.Errorf("%w: %s", payment.ErrPaymentNotFound, paymentNo)
	}
	if err != nil {
		return payment.Movement{}, fmt.Errorf("read payment %s: %w", paymentNo, err)
	}
	return row.movement(), nil
}
