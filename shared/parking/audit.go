package parking

import (
	"context"
	"fmt"
	"time"

	"settlement/shared/dbtx"
)

const (
	// OperatorMaxLength is the longest name of an operator, in characters.
	OperatorMaxLength = 128
	unnamedOperator   = "not named"
)

// Decision is who resolves a parked message and why.
type Decision struct {
	Operator string // empty: not named
	Reason   string
	// CloseGap says that what the message waits for will never come: its sequence goes on without it.
	CloseGap bool
}

// Audit is what an operator did with a parked message.
type Audit struct {
	ParkedID  string
	Operator  string
	Action    string // replay or discard
	Reason    string
	State     State // that the message had from then on
	CreatedAt time.Time
}

// auditRow is a row of parked_audit.
type auditRow struct {
	ID uint64 `gorm:"primaryKey"`
	Audit
}

func (auditRow) TableName() string { return "parked_audit" }

// write writes down in tx what was decided about r.
func (d Decision) write(tx dbtx.Tx, r row, action string, now time.Time) error {
	operator := cut(d.Operator, OperatorMaxLength)
	if operator == "" {
		operator = unnamedOperator
	}
	reason := d.Reason
	if d.CloseGap {
		reason = "gap closed; " + reason
	}

	err := tx.DB().Create(&auditRow{Audit: Audit{
		ParkedID: r.ID, Operator: operator, Action: action, Reason: cut(reason, ReasonMaxLength), State: r.State, CreatedAt: now,
	}}).Error
	if err != nil {
		return fmt.Errorf("write down who decided on parked message %s: %w", r.ID, err)
	}
	return nil
}

// History is what was done with a parked message, oldest first.
func (l *Lot) History(ctx context.Context, id string) (done []Audit, err error) {
	err = l.pool.Read(ctx).Model(&auditRow{}).Where("parked_id = ?", id).Order("id").Find(&done).Error
	if err != nil {
		return nil, fmt.Errorf("read who decided on parked message %s: %w", id, err)
	}
	return done, nil
}
