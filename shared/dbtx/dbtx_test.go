package dbtx_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/faults"
	"settlement/e2e/stack/testdb"
	"settlement/e2e/wait"
	"settlement/migrations"
	"settlement/shared/dbtx"
)

// setup makes a table of two rows to fight over.
func setup(t *testing.T, pool *dbtx.Pool) {
	t.Helper()
	for _, statement := range []string{
		"CREATE TABLE fight (id INT PRIMARY KEY, n INT NOT NULL)", "INSERT INTO fight VALUES (1, 0), (2, 0)",
	} {
		if err := pool.Read(context.Background()).Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
	}
}

func count(t *testing.T, pool *dbtx.Pool, id int) (n int) {
	t.Helper()
	if err := pool.Read(context.Background()).Raw("SELECT n FROM fight WHERE id = ?", id).Scan(&n).
		Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestADeadlockIsRunAgain(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)

		// Both hold their first row before either asks for the other's.
		var both sync.WaitGroup
		both.Add(2)
		var runs atomic.Int64
		raise := func(first, second int) error {
			met := false
			return db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
				runs.Add(1)
				if err := tx.DB().Exec("UPDATE fight SET n = n + 1 WHERE id = ?", first).Error; err != nil {
					return err
				}
				if !met {
					met = true
					both.Done()
					both.Wait()
				}
				return tx.DB().Exec("UPDATE fight SET n = n + 1 WHERE id = ?", second).Error
			})
		}

		errs := make(chan error, 2)
		go func() { errs <- raise(1, 2) }()
		go func() { errs <- raise(2, 1) }()
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}

		if runs.Load() < 3 {
			t.Errorf("%d runs: there was no deadlock to retry", runs.Load())
		}
		for id := 1; id <= 2; id++ {
			if n := count(t, db.Pool, id); n != 2 {
				t.Errorf("row %d is %d, want 2: a run was lost or doubled", id, n)
			}
		}
	})
}

func TestALockWaitRollsBackTheWholeTransaction(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		release := make(chan struct{})
		held := make(chan struct{})
		holder := make(chan error, 1)
		go func() {
			holder <- db.Open(t).Run(t.Context(), func(tx dbtx.Tx) error {
				if err := tx.DB().Exec("UPDATE fight SET n = 100 WHERE id = 2").Error; err != nil {
					return err
				}
				close(held)
				<-release
				return nil
			})
		}()
		<-held

		runs := 0
		err := db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
			runs++
			if runs == 2 {
				close(release) // the first run gave up its wait: let the second through
				if err := <-holder; err != nil {
					return err
				}
			}
			if err := tx.DB().Exec("UPDATE fight SET n = n + 1 WHERE id = 1").Error; err != nil {
				return err
			}
			return tx.DB().Exec("UPDATE fight SET n = n + 1 WHERE id = 2").Error
		})
		if err != nil || runs != 2 {
			t.Fatalf("%d runs, error %v; want the second to succeed", runs, err)
		}

		if n := count(t, db.Pool, 1); n != 1 {
			t.Errorf("row 1 is %d, want 1: the statement before the lock wait was kept", n)
		}
	})
}

var errAlways = errors.New("always")

func TestRetriesAreBounded(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		runs := 0
		err := db.Pool.Run(t.Context(), func(dbtx.Tx) error {
			runs++
			return dbtx.Again("test", errAlways)
		})
		if !errors.Is(err, errAlways) || runs < 2 || runs > 20 || !dbtx.IsTransient(err) {
			t.Errorf("%d runs, error %v, transient: %t; want it transient after some",
				runs, err, dbtx.IsTransient(err))
		}
	})
}

func TestALostCommitAnswerIsUnknown(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		proxy, err := faults.NewMySQL(db.Config.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = proxy.Close() }()
		config := db.Config
		config.Addr = proxy.Addr()
		pool, err := dbtx.Open(config, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()

		lost := &faults.SQLRule{At: faults.AfterCommit, Limit: 1, Do: faults.Cut}
		proxy.Add(lost)

		runs := 0
		err = pool.Run(t.Context(), func(tx dbtx.Tx) error {
			runs++
			return tx.DB().Exec("UPDATE fight SET n = n + 1 WHERE id = 1").Error
		})
		if !errors.Is(err, dbtx.ErrCommitUnknown) || !dbtx.IsTransient(err) {
			t.Errorf("error %v, want ErrCommitUnknown, and transient", err)
		}

		if runs != 1 || lost.Fired() != 1 {
			t.Errorf("%d runs, %d answers lost; want 1 and 1: an unknown outcome must not be run again here",
				runs, lost.Fired())
		}
		if n := count(t, db.Pool, 1); n != 1 {
			t.Errorf("row is %d: the transaction whose answer was lost did commit", n)
		}
	})
}

func TestAPanicRollsBack(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		func() {
			defer func() { _ = recover() }()
			_ = db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
				if err := tx.DB().Exec("UPDATE fight SET n = 7 WHERE id = 1").Error; err != nil {
					t.Error(err)
				}
				panic("on purpose")
			})
		}()

		// The row's lock is free, so this does not wait for a transaction that is never ended.
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		err := db.Pool.Run(ctx, func(tx dbtx.Tx) error {
			return tx.DB().Exec("UPDATE fight SET n = n + 1 WHERE id = 1").Error
		})
		if n := count(t, db.Pool, 1); err != nil || n != 1 {
			t.Errorf("row is %d, error %v; want 1", n, err)
		}
	})
}

func TestAServerThatIsAwayIsTransient(t *testing.T) {
	pool, err := dbtx.Open(dbtx.Config{Addr: "127.0.0.1:1", Name: "n", User: "u"}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	err = pool.Run(t.Context(), func(dbtx.Tx) error { return nil })
	if !dbtx.IsTransient(err) {
		t.Errorf("error %v has to be transient", err)
	}
}

// A process that is frozen or cut off in the middle of a transaction cannot end it. The server ends
// it, so that its locks do not stop all other transactions for hours.
func TestASilentTransactionIsEndedByTheServer(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		frozen, err := db.Open(t).SQL()
		if err != nil {
			t.Fatal(err)
		}
		tx, err := frozen.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(t.Context(), "UPDATE fight SET n = 100 WHERE id = 1"); err != nil {
			t.Fatal(err)
		}

		wait.Until(t, 30*time.Second, func() error {
			return db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
				return tx.DB().Exec("UPDATE fight SET n = n + 1 WHERE id = 1").Error
			})
		})

		if n := count(t, db.Pool, 1); n != 1 {
			t.Errorf("row is %d, want 1: the silent transaction must have been rolled back", n)
		}
	})
}
