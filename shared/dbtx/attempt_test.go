package dbtx_test

import (
	"errors"
	"strings"
	"testing"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
)

// An attempt that fails, whether by an error, a panic or a duplicate key, is undone; what the
// transaction did before it stands.
func TestAFailedAttemptLeavesTheRest(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		duplicate := func(tx dbtx.Tx) error { return tx.DB().Exec("INSERT INTO fight VALUES (1, 0)").Error }
		ways := map[string]func(tx dbtx.Tx) error{
			"refused":         func(dbtx.Tx) error { return errors.New("refused") },
			"panic: a bug":    func(dbtx.Tx) error { panic("a bug") },
			"Duplicate entry": duplicate,
		}

		runs := 0
		for says, fails := range ways {
			err := db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
				runs++
				if err := tx.DB().Exec("UPDATE fight SET n = n + 1 WHERE id = 1").Error; err != nil {
					return err
				}
				failed, err := dbtx.Attempt(tx, func() error {
					if err := tx.DB().Exec("UPDATE fight SET n = n + 1 WHERE id = 2").Error; err != nil {
						return err
					}
					return fails(tx)
				})
				if failed == nil || !strings.Contains(failed.Error(), says) {
					t.Errorf("failed is %v, want one that says %q", failed, says)
				}
				return err
			})
			if err != nil {
				t.Errorf("%s: %v, want the transaction to go on", says, err)
			}
		}

		if before, attempted := count(t, db.Pool, 1), count(t, db.Pool, 2); before != len(ways) ||
			attempted != 0 || runs != len(ways) {
			t.Errorf("%d runs: %d changes before the attempts and %d in them, want %d and none",
				runs, before, attempted, len(ways))
		}
	})
}

// A failure that passes, such as a deadlock, is nobody's fault: all of the transaction runs again.
func TestAnAttemptThatMeetsAPassingFailureRunsAgain(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		runs := 0
		err := db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
			if err := tx.DB().Exec("UPDATE fight SET n = n + 1 WHERE id = 1").Error; err != nil {
				return err
			}
			failed, err := dbtx.Attempt(tx, func() error {
				if runs++; runs == 1 {
					return dbtx.Again("deadlock", errors.New("met once"))
				}
				return nil
			})
			return errors.Join(failed, err)
		})
		if n := count(t, db.Pool, 1); err != nil || runs != 2 || n != 1 {
			t.Errorf("%d runs and %d changes, error %v, want 2 runs and one change", runs, n, err)
		}
	})
}

// When the savepoint cannot be gone back to, that decides what is to be done, and not why the
// attempt failed: the connection is gone, which passes.
func TestAnAttemptThatLosesItsConnectionPasses(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		refused := errors.New("refused")
		err := db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
			failed, err := dbtx.Attempt(tx, func() error {
				_ = tx.DB().Exec("KILL CONNECTION_ID()").Error // answered by an error, or not at all
				return refused
			})
			return errors.Join(failed, err)
		})
		if !dbtx.IsTransient(err) || errors.Is(err, refused) {
			t.Errorf("%v, want a failure that passes", err)
		}
	})
}
