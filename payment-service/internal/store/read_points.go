package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"settlement/payment-service/internal/points"
	"settlement/shared/settlement"
)

// PointsChanged is a change that took effect.
type PointsChanged struct {
	PointsNo   string
	Seq        int64
	Type       settlement.PointsType
	ChangeBy   int64 // what the points were set to, or what was added to them
	Points     int64 // after this change
	Reason     string
	OccurredAt time.Time
}

// Points reads what a customer has and a page of the changes that led there, newest first: those
// with a sequence below before (0: from the newest), at most limit. more says whether older ones
// are left. It returns points.ErrNotFound when nothing is known of the customer.
func (s *Store) Points(
	ctx context.Context, customerID string, before int64, limit int,
) (b points.Balance, page []PointsChanged, more bool, err error) {
	var row pointsBalanceRow
	err = s.pool.Read(ctx).Where("customer_id = ?", customerID).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return points.Balance{}, nil, false, fmt.Errorf("%w: customer %s", points.ErrNotFound, customerID)
	}
	if err != nil {
		return points.Balance{}, nil, false, fmt.Errorf("read points of customer %s: %w", customerID, err)
	}

	query := s.pool.Read(ctx).Where("customer_id = ?", customerID).Order("seq DESC").Limit(limit + 1)
	if before > 0 {
		query = query.Where("seq < ?", before)
	}
	var rows []pointsHistoryRow
	if err := query.Find(&rows).Error; err != nil {
		return points.Balance{}, nil, false, fmt.Errorf("list points of customer %s: %w", customerID, err)
	}

	if len(rows) > limit {
		rows, more = rows[:limit], true
	}
	for _, r := range rows {
		page = append(page, PointsChanged{
			PointsNo: r.PointsNo, Seq: r.Seq, Type: r.Type, ChangeBy: r.ChangeBy, Points: r.Points,
			Reason: r.Reason, OccurredAt: r.OccurredAt,
		})
	}
	return points.Balance{Points: row.Points, LastSeq: row.LastSeq}, page, more, nil
}
