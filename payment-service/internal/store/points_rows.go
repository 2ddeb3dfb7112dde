package store

import (
	"time"

	"settlement/shared/settlement"
)

// pointsBalanceRow is points_balances.
type pointsBalanceRow struct {
	CustomerID string `gorm:"primaryKey"`
	Points     int64
	LastSeq    int64
	Waits      int64 // how many changes had to wait: changed so that the row is written, see writeProgress
}

func (pointsBalanceRow) TableName() string { return "points_balances" }

// pointsHistoryRow is points_history.
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
