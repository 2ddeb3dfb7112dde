package dbtx_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/faults"
	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
)

// behind is a pool that reaches the database through a proxy.
func behind(t *testing.T, db testdb.Database) (*dbtx.Pool, *faults.MySQL) {
	t.Helper()
	proxy, err := faults.NewMySQL(db.Config.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })

	config := db.Config
	config.Addr = proxy.Addr()
	pool, err := dbtx.Open(config, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, proxy
}

// raise adds 1 to a row and says on which connection.
func raise(ctx context.Context, pool *dbtx.Pool, id int) (connection int64, runs int, err error) {
	err = pool.Run(ctx, func(tx dbtx.Tx) error {
		runs++
		if err := tx.DB().Raw("SELECT CONNECTION_ID()").Scan(&connection).Error; err != nil {
			return err
		}
		return tx.DB().Exec("UPDATE fight SET n = n + 1 WHERE id = ?", id).Error
	})
	return connection, runs, err
}

// answers are errors with which servers answer COMMIT, and whether each proves a rollback.
var answers = map[string]struct {
	faults.SQLAnswer

	proof bool // of a rollback
}{
	"interrupted": {faults.SQLAnswer{
		Number: 1317, State: "70100", Text: "Query execution was interrupted",
	}, false},
	"timed out": {faults.SQLAnswer{
		Number: 1969, State: "70100", Text: "Query execution was interrupted (max_statement_time exceeded)",
	}, false},
	"disk full": {faults.SQLAnswer{
		Number: 1180, State: "HY000", Text: "Got error 28 - 'No space left on device' during COMMIT",
	}, false},
	"read only": {faults.SQLAnswer{
		Number: 1290, State: "HY000", Text: "The MySQL server is running with the --super-read-only option",
	}, false},
	"no longer in the group": {faults.SQLAnswer{
		Number: 3100, State: "HY000", Text: "Error on observer while running replication hook 'before_commit'.",
	}, false},
	"not prepared": {faults.SQLAnswer{
		Number: 1047, State: "08S01", Text: "WSREP has not yet prepared node for application use",
	}, false},
	"never heard of": {faults.SQLAnswer{Number: 9999, State: "HY000", Text: "something new"}, false},
	"certification, Galera": {faults.SQLAnswer{
		Number: 1213, State: "40001", Text: "Deadlock found when trying to get lock; try restarting transaction",
	}, true},
	"certification, group": {faults.SQLAnswer{
		Number: 3101, State: "40000", Text: "Plugin instructed the server to rollback the current transaction.",
	}, true},
	"rolled back for a rival": {
		faults.SQLAnswer{
			Number: 1180, State: "HY000", Text: "Got error 149 - 'Lock deadlock; Retry transaction' during COMMIT",
		}, true,
	},
}

// The proxy leaves the transaction open at the server, as MariaDB 10.11 does when it answers 1317.
// If the connection were used again, its next BEGIN would commit that transaction.
func TestAnErrorAsTheAnswerToCommit(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		pool, proxy := behind(t, db)
		for name, answer := range answers {
			t.Run(name, func(t *testing.T) {
				defer proxy.Clear()
				before := count(t, db.Pool, 1)
				rule := &faults.SQLRule{
					Touching: "where id = 1", At: faults.BeforeCommit, Limit: 1, Do: faults.Refuse,
					Answer: answer.SQLAnswer,
				}
				proxy.Add(rule)

				refused, runs, err := raise(t.Context(), pool, 1)
				wantRuns, wantRaised := 1, 0
				if answer.proof {
					wantRuns, wantRaised = 2, 1
				}

				if unknown := errors.Is(err, dbtx.ErrCommitUnknown); unknown == answer.proof ||
					(err == nil) != answer.proof {
					t.Errorf("error %v; want an unknown outcome: %t", err, !answer.proof)
				}
				if err != nil && !dbtx.IsTransient(err) {
					t.Errorf("error %v has to be transient", err)
				}
				if runs != wantRuns || rule.Fired() != 1 {
					t.Errorf("%d runs, want %d; %d answers", runs, wantRuns, rule.Fired())
				}

				next, _, err := raise(t.Context(), pool, 2)
				if err != nil {
					t.Fatal(err)
				}
				if !answer.proof && next == refused {
					t.Error("the connection was given back to the pool")
				}
				if n := count(t, db.Pool, 1) - before; n != wantRaised {
					t.Errorf("the row was raised by %d, want %d: the next transaction committed what was left open",
						n, wantRaised)
				}
			})
		}
	})
}

// A connection whose BEGIN or ROLLBACK failed is not used again either.
func TestAConnectionThatCannotEndItsTransactionIsClosed(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		interrupted := faults.SQLAnswer{Number: 1317, State: "70100", Text: "Query execution was interrupted"}
		t.Run("rollback", func(t *testing.T) {
			pool, proxy := behind(t, db)
			proxy.Add(&faults.SQLRule{
				Touching: "rollback", At: faults.AtStatement, Limit: 1, Do: faults.Refuse,
				Answer: interrupted,
			})
			cause := errors.New("on purpose")
			var left int64

			err := pool.Run(t.Context(), func(tx dbtx.Tx) error {
				if err := tx.DB().Raw("SELECT CONNECTION_ID()").Scan(&left).Error; err != nil {
					return err
				}
				return errors.Join(tx.DB().Exec("UPDATE fight SET n = 100 WHERE id = 1").Error, cause)
			})
			if !errors.Is(err, cause) {
				t.Errorf("error %v, want %v", err, cause)
			}

			next, _, err := raise(t.Context(), pool, 2)
			if n := count(t, db.Pool, 1); err != nil || next == left || n != 0 {
				t.Errorf("error %v; connection %d, then %d; row is %d, want another connection and 0",
					err, left, next, n)
			}
		})

		t.Run("begin", func(t *testing.T) {
			pool, proxy := behind(t, db)
			first, _, err := raise(t.Context(), pool, 2)
			if err != nil {
				t.Fatal(err)
			}

			proxy.Add(&faults.SQLRule{
				Touching: "start transaction", At: faults.AtStatement, Limit: 1, Do: faults.Refuse,
				Answer: faults.SQLAnswer{
					Number: 1047, State: "08S01", Text: "WSREP has not yet prepared node for application use",
				},
			})
			if _, _, err := raise(t.Context(), pool, 2); !dbtx.IsTransient(err) {
				t.Errorf("error %v has to be transient", err)
			}
			next, _, err := raise(t.Context(), pool, 2)
			if err != nil || next == first {
				t.Errorf("error %v; connection %d, then %d; want another", err, first, next)
			}
		})
	})
}

// killRace is how long KILL QUERY races with COMMITs. On two cores a few COMMITs in ten thousand
// are answered by 1317.
const killRace = 8 * time.Second

// Real servers answer COMMITs that are interrupted. Whatever they answer, the row is there
// afterwards or not, as Run said, unless Run said that it does not know.
func TestCommitsUnderKillQuery(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		if err := db.Pool.Read(t.Context()).Exec("CREATE TABLE killed (id INT PRIMARY KEY)").
			Error; err != nil {
			t.Fatal(err)
		}
		killer, err := db.Open(t).SQL()
		if err != nil {
			t.Fatal(err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), killRace)
		defer cancel()
		unknown, told := 0, map[int]bool{} // told is what Run said of each id for certain
		pool := db.Open(t)
		for id := 1; ctx.Err() == nil; id++ {
			err := insertUnderFire(t, pool, killer, id)
			if errors.Is(err, dbtx.ErrCommitUnknown) {
				unknown++
				continue
			}
			told[id] = err == nil
		}

		var ids []int
		if err := db.Pool.Read(t.Context()).Raw("SELECT id FROM killed").Scan(&ids).Error; err != nil {
			t.Fatal(err)
		}
		there := map[int]bool{}
		for _, id := range ids {
			there[id] = true
		}

		for id, done := range told {
			if there[id] != done {
				t.Errorf("row %d: Run said committed: %t, it is there: %t", id, done, there[id])
			}
		}
		t.Logf("%d transactions, %d with an unknown outcome", len(told)+unknown, unknown)
	})
}

// insertUnderFire commits a row while its statements are being killed.
func insertUnderFire(t *testing.T, pool *dbtx.Pool, killer *sql.DB, id int) error {
	t.Helper()
	fire := make(chan string, 1)
	stop, stopped := make(chan struct{}), make(chan struct{})

	go func() {
		defer close(stopped)
		kill := <-fire
		for {
			select {
			case <-stop:
				return
			default:
				if kill != "" {
					// No error to report: the connection may be gone already.
					_, _ = killer.ExecContext(t.Context(), kill)
				}
			}
		}
	}()

	err := pool.Run(t.Context(), func(tx dbtx.Tx) error {
		var connection int64
		if err := tx.DB().Raw("SELECT CONNECTION_ID()").Scan(&connection).Error; err != nil {
			return err
		}
		if err := tx.DB().Exec("INSERT INTO killed VALUES (?)", id).Error; err != nil {
			return err
		}
		select {
		case fire <- fmt.Sprintf("KILL QUERY %d", connection):
		default: // another run: the killer goes on with the connection that it has
		}
		return nil
	})

	close(stop)
	select {
	case fire <- "":
	default:
	}
	<-stopped
	return err
}
