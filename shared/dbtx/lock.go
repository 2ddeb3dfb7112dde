package dbtx

import (
	"fmt"

	"gorm.io/gorm/clause"
)

// LockByKey locks the rows of a table whose primary key, column, is among keys, and reads them. All
// writers lock in the order of the key, so that none of them waits for another in a circle.
//
// The primary key is named explicitly: when the keys are a large part of a small table, the
// optimizer scans instead, and a scan waits for rows that others have locked.
func LockByKey[Row any](tx Tx, table, column string, keys []string) (rows []Row, err error) {
	err = tx.DB().Table(table+" FORCE INDEX (PRIMARY)").
		Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where(column+" IN ?", keys).Order(column).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", table, err)
	}
	return rows, nil
}
