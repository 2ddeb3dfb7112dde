package journal

import (
	"encoding/json"
	"errors"
	"fmt"

	"gorm.io/gorm/clause"

	"settlement/shared/dbtx"
	"settlement/shared/settlement"
)

// headRow is the only row of table journal_head: the last position that was given, and the hash of
// the record there.
type headRow struct {
	ID       int `gorm:"primaryKey"`
	Position int64
	Hash     string
}

func (headRow) TableName() string { return "journal_head" }

// lockHead locks the head for the transaction. mine is false while another instance holds the lock:
// that instance writes then.
func lockHead(tx dbtx.Tx) (head headRow, mine bool, err error) {
	var rows []headRow
	err = tx.DB().Clauses(clause.Locking{
		Strength: clause.LockingStrengthUpdate, Options: clause.LockingOptionsSkipLocked,
	}).
		Where("id = 1").Find(&rows).Error
	if err != nil {
		return headRow{}, false, fmt.Errorf("lock the journal's head: %w", err)
	}
	if len(rows) == 1 {
		return rows[0], true, nil
	}

	var there int64
	if err := tx.DB().Model(&headRow{}).Where("id = 1").Count(&there).Error; err != nil {
		return headRow{}, false, fmt.Errorf("look for the journal's head: %w", err)
	}
	if there == 0 {
		return headRow{}, false, errors.New("table journal_head is empty: the journal's end is not known any more, restore the row with id 1")
	}
	return headRow{}, false, nil
}

// append gives a record the next position and returns its body.
func (h *headRow) append(r settlement.JournalRecord) ([]byte, error) {
	r.Position, r.Previous = h.Position+1, h.Hash
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode journal record %d: %w", r.Position, err)
	}
	h.Position, h.Hash = r.Position, settlement.JournalHash(body)
	return body, nil
}

// moveHead moves the locked head on.
func moveHead(tx dbtx.Tx, from, to headRow) error {
	res := tx.DB().Model(&headRow{}).Where("id = 1 AND position = ?", from.Position).
		Updates(map[string]any{"position": to.Position, "hash": to.Hash})
	if res.Error != nil {
		return fmt.Errorf("move the journal's head to %d: %w", to.Position, res.Error)
	}
	if res.RowsAffected != 1 {
		return fmt.Errorf("the journal's head is not at %d any more: it moved under its lock", from.Position)
	}
	return nil
}
