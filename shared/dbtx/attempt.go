package dbtx

import (
	"fmt"

	"settlement/shared/guard"
)

const beforeAttempt = "before_attempt"

// Attempt runs do behind a savepoint, for what may fail without taking the rest of the transaction
// with it. A nil failed and a nil err mean that do has succeeded. failed is why do was undone, a
// panic included: what the transaction did before stands, and goes on. err ends the transaction:
// the savepoint could not be set or gone back to, or do met a failure of the database that passes,
// so that all of it runs again. A duplicate key is not one of those here: it can come from another
// writer, and can be do's own fault.
//
// Attempts do not nest: the savepoint has one name.
func Attempt(tx Tx, do func() error) (failed, err error) {
	if err := tx.DB().SavePoint(beforeAttempt).Error; err != nil {
		return nil, fmt.Errorf("set a savepoint: %w", err)
	}

	failed = guard.Run(do)
	if failed == nil {
		return nil, nil
	}
	if IsTransient(failed) && !IsDuplicateKey(failed) {
		return nil, failed
	}

	if err := tx.DB().RollbackTo(beforeAttempt).Error; err != nil {
		return nil, fmt.Errorf("go back to the savepoint, after %v: %w", failed, err) //nolint:errorlint // err decides what is to be done: why the attempt failed is of no use without the savepoint
	}
	return failed, nil
}
