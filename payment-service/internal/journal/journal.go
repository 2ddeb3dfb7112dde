// Package journal puts every decided payment number into one sequence over everything, and
// publishes it to a topic that has one queue. Add notes a decision in the transaction that makes
// it. The Writer gives it its position in a transaction of its own: if the settle transaction gave
// it, all settlements of all orders would wait for one row.
package journal

import (
	"encoding/json"
	"fmt"
	"time"

	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/settlement"
)

// Note is a decision that has no position in the journal yet.
type Note struct {
	Movement    payment.Movement
	Traceparent string // valid
}

// pendingRow is a noted decision, a row of table journal_pending.
type pendingRow struct {
	ID          uint64 `gorm:"primaryKey"`
	PaymentNo   string
	Record      []byte // a settlement.JournalRecord without position and previous
	Traceparent string
	CreatedAt   time.Time
}

func (pendingRow) TableName() string { return "journal_pending" }

// Add writes decisions into tx, in their order. Wake the Writer once tx is committed.
func Add(tx dbtx.Tx, now time.Time, notes []Note) error {
	if len(notes) == 0 {
		return nil
	}

	rows := make([]pendingRow, 0, len(notes))
	for _, n := range notes {
		record, err := json.Marshal(RecordOf(n.Movement))
		if err != nil {
			return fmt.Errorf("encode journal record of payment %s: %w", n.Movement.PaymentNo, err)
		}
		rows = append(rows, pendingRow{
			PaymentNo: n.Movement.PaymentNo, Record: record, Traceparent: n.Traceparent, CreatedAt: now,
		})
	}

	if err := tx.DB().Create(&rows).Error; err != nil {
		return fmt.Errorf("note %d payment numbers for the journal: %w", len(rows), err)
	}
	return nil
}

// RecordOf is what the journal says of a decision, without its position.
func RecordOf(m payment.Movement) settlement.JournalRecord {
	return settlement.JournalRecord{
		Version: settlement.Version, PaymentNo: m.PaymentNo, OrderID: m.OrderID, Seq: m.Seq, Type: m.Type,
		Outcome: m.Outcome,
		Reason:  m.Reason, AccountID: m.AccountID, Amount: m.Amount, DecidedAt: m.CreatedAt.UTC(),
	}
}
