package store

import (
	"time"

	"settlement/shared/settlement"
)

// pointsBalanceRow is a customer's points, a row of table points_balances.
type pointsBalanceRow struct {
	CustomerID string `gorm:"primaryKey"`
	Points     int64
	LastSeq    int64
	Waits      int64 // grows when a change has to wait, so that the row is really written: see writeProgress
}

func (pointsBalanceRow) TableName() string { return "points_balances" }

// pointsHistoryRow is a change that took effect, a row of table points_history.
type pointsHistoryRow struct {
	CustomerID string `gorm:"primaryKey"`
	Seq        int64  `gorm:"primaryKey"`
	PointsNo   string
	Type       settlement.PointsType
	ChangeBy   int64
	Points     int64
	Reason     string
	OccurredAt time.Time
	CreatedAt  time.Time
}

func (pointsHistoryRow) TableName() string { return "points_history" }
