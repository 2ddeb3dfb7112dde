package dbtx_test

import (
	"testing"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
)

// insertOnce inserts a row that it did not find, as a store does with every row that a rival may
// insert too.
func insertOnce(tx dbtx.Tx, lookFor, insert int) error {
	var there int64
	if err := tx.DB().Raw("SELECT COUNT(*) FROM fight WHERE id = ?", lookFor).Scan(&there).
		Error; err != nil || there > 0 {
		return err
	}
	err := tx.DB().Exec("INSERT INTO fight VALUES (?, 0)", insert).Error
	if dbtx.IsDuplicateKey(err) {
		return dbtx.Again("duplicate_key", err)
	}
	return err
}

func TestADuplicateKeyThatIsNoRivalsIsNotRetriedForEver(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		runs := 0
		err := db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
			runs++
			return insertOnce(tx, 7, 1) // looks for another row than the one that is in its way
		})

		if runs != 2 {
			t.Errorf("%d runs, want the second to stop", runs)
		}
		if !dbtx.IsDuplicateKey(err) || dbtx.IsTransient(err) || dbtx.Classify(err) != dbtx.Refused {
			t.Errorf("error %v is %s, transient: %t; want a refused duplicate key",
				err, dbtx.Classify(err), dbtx.IsTransient(err))
		}
	})
}

func TestARivalsDuplicateKeyIsFoundByTheNextRun(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		rival := db.Open(t)
		runs := 0

		err := db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
			runs++
			for id := 10; id < 13; id++ { // another rival in each run: other keys are no proof
				var there int64
				if err := tx.DB().Raw("SELECT COUNT(*) FROM fight WHERE id = ?", id).Scan(&there).
					Error; err != nil {
					return err
				}
				if there > 0 {
					continue
				}
				if err := rival.Read(t.Context()).Exec("INSERT INTO fight VALUES (?, 0)", id).
					Error; err != nil {
					return err
				}
				return insertOnce(tx, 7, id)
			}
			return nil
		})
		if err != nil || runs != 4 {
			t.Errorf("%d runs, error %v; want the fourth to find all three rivals", runs, err)
		}
	})
}

// A run that a deadlock ended can come between two runs that meet the same key.
func TestAConflictBetweenDoesNotHideTheSameDuplicateKey(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		runs := 0
		err := db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
			if runs++; runs == 2 {
				return dbtx.Again("test", errAlways)
			}
			return insertOnce(tx, 7, 1)
		})
		if runs != 3 || dbtx.IsTransient(err) {
			t.Errorf("%d runs, error %v, transient: %t; want the third to stop",
				runs, err, dbtx.IsTransient(err))
		}
	})
}
