package store

import (
	"context"
	"fmt"

	"settlement/payment-service/internal/payment"
)

// Movements reads decided payment numbers, by number; those that are not there are left out.
func (s *Store) Movements(ctx context.Context, numbers []string) (map[string]payment.Movement, error) {
	var rows []movementRow
	if err := s.pool.Read(ctx).Where("payment_no IN ?", numbers).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read %d payment numbers: %w", len(numbers), err)
	}
	found := make(map[string]payment.Movement, len(rows))
	for _, r := range rows {
		found[r.PaymentNo] = r.movement()
	}
	return found, nil
}

// EntriesOf reads the entries of payment numbers, by number.
func (s *Store) EntriesOf(ctx context.Context, numbers []string) (map[string][]payment.Entry, error) {
	var rows []entryRow
	if err := s.pool.Read(ctx).Where("payment_no IN ?", numbers).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read entries of %d payment numbers: %w", len(numbers), err)
	}
	found := map[string][]payment.Entry{}
	for _, r := range rows {
		found[r.PaymentNo] = append(found[r.PaymentNo], r.entry())
	}
	return found, nil
}
