package operator

import (
	"context"
	"fmt"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/parking"
)

// Decided is what an operator has decided about a kept message.
type Decided struct {
	ParkedID  string
	Operator  string
	Action    string // replay or discard
	Reason    string
	State     parking.State // that the message had from then on
	CreatedAt time.Time
}

// decidedRow is a row of parked_audit.
type decidedRow struct {
	ID uint64 `gorm:"primaryKey"`
	Decided
}

func (decidedRow) TableName() string { return "parked_audit" }

// write writes down in tx what was decided about m.
func (by Decision) write(tx dbtx.Tx, m parking.Record, action string, now time.Time) error {
	operator := parking.Cut(by.Operator, NameMaxLength)
	if operator == "" {
		operator = unnamedOperator
	}
	reason := by.Reason
	if by.CloseGap {
		reason = "gap closed; " + reason
	}

	err := tx.DB().Create(&decidedRow{Decided: Decided{
		ParkedID: m.ID, Operator: operator, Action: action,
		Reason: parking.Cut(reason, parking.ReasonMaxLength), State: m.State, CreatedAt: now,
	}}).Error
	if err != nil {
		return fmt.Errorf("write down who decided on parked message %s: %w", m.ID, err)
	}
	return nil
}

// History is what was decided about a message, oldest first.
func (d *Decisions) History(ctx context.Context, id string) (history []Decided, err error) {
	err = d.pool.Read(ctx).Model(&decidedRow{}).Where("parked_id = ?", id).Order("id").Find(&history).Error
	if err != nil {
		return nil, fmt.Errorf("read who decided on parked message %s: %w", id, err)
	}
	return history, nil
}
