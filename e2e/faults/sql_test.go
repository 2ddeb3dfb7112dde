package faults_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"settlement/e2e/faults"
	"settlement/e2e/stack/testdb"
	"settlement/e2e/wait"
)

// table is a table of numbers, seen through a proxy and past it.
type table struct {
	proxy           *faults.MySQL
	through, direct *sql.DB
}

func eachTable(t *testing.T, test func(t *testing.T, n table)) {
	t.Helper()
	testdb.EachEmpty(t, func(t *testing.T, d testdb.Database) {
		open := func(addr string) *sql.DB {
			c := mysql.NewConfig()
			c.Net, c.Addr, c.DBName, c.User, c.Passwd, c.InterpolateParams = "tcp", addr, d.Config.Name, d.Config.User, d.Config.Password, true
			connector, err := mysql.NewConnector(c)
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(connector)
			t.Cleanup(func() { _ = db.Close() })
			return db
		}

		p := newMySQL(t, d.Config.Addr)
		n := table{p, open(p.Addr()), open(d.Config.Addr)}
		if _, err := n.direct.ExecContext(t.Context(),
			"CREATE TABLE numbers (n INT PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		test(t, n)
	})
}

// has says whether number i is committed.
func (n table) has(t *testing.T, i int) bool {
	t.Helper()
	var count int
	if err := n.direct.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM numbers WHERE n = ?", i).
		Scan(&count); err != nil {
		t.Error(err) // not Fatal: Then calls it too
	}
	return count == 1
}

// insert adds number i through the proxy in a transaction, behind one that was rolled back to a
// savepoint.
func (n table) insert(ctx context.Context, i int) error {
	tx, err := n.through.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range []string{
		"SAVEPOINT earlier", "INSERT INTO numbers VALUES (-1)", "ROLLBACK TO SAVEPOINT earlier",
		fmt.Sprintf("INSERT INTO numbers VALUES (%d)", i),
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func TestMomentsOfATransaction(t *testing.T) {
	const held = 300 * time.Millisecond
	eachTable(t, func(t *testing.T, n table) {
		for i, tc := range []struct {
			name        string
			at          faults.SQLMoment
			do          faults.SQLEffect
			thenSees    bool // the number is committed when Then is called
			fails, ends bool // Commit fails; the number is committed in the end
		}{
			{"statement let", faults.AtStatement, faults.Let, false, false, true},
			{"statement held", faults.AtStatement, faults.Hold, false, false, true},
			{"statement cut", faults.AtStatement, faults.Cut, false, true, false},
			{"before commit let", faults.BeforeCommit, faults.Let, false, false, true},
			{"before commit held", faults.BeforeCommit, faults.Hold, false, false, true},
			{"before commit cut", faults.BeforeCommit, faults.Cut, false, true, false},
			{"after commit let", faults.AfterCommit, faults.Let, true, false, true},
			{"after commit held", faults.AfterCommit, faults.Hold, true, false, true},
			{"after commit cut", faults.AfterCommit, faults.Cut, true, true, true},
		} {
			t.Run(tc.name, func(t *testing.T) {
				defer n.proxy.Clear()
				var calls atomic.Int64
				var sees atomic.Bool
				rule := &faults.SQLRule{
					Touching: fmt.Sprintf("insert INTO numbers values (%d)", i), At: tc.at, Do: tc.do,
					Then: func() { calls.Add(1); sees.Store(n.has(t, i)) },
				}
				if tc.do == faults.Hold {
					rule.For = held
				}

				n.proxy.Add(rule)
				if err := n.insert(t.Context(), 1000+i); err != nil {
					t.Fatalf("a transaction of no concern: %v", err)
				}

				began := time.Now()
				if err := n.insert(t.Context(), i); (err != nil) != tc.fails {
					t.Errorf("transaction: error %v, want one: %t", err, tc.fails)
				}
				if took := time.Since(began); tc.do == faults.Hold && took < held {
					t.Errorf("took %s, want at least %s", took, held)
				}

				if calls.Load() != 1 || rule.Fired() != 1 || sees.Load() != tc.thenSees {
					t.Errorf("Then was called %d times, fired %d times, want once; Then found the number committed: %t, want %t",
						calls.Load(), rule.Fired(), sees.Load(), tc.thenSees)
				}
				if got := n.has(t, i); got != tc.ends {
					t.Errorf("committed in the end: %t, want %t", got, tc.ends)
				}
			})
		}
	})
}

func TestSkipEveryLimit(t *testing.T) {
	eachTable(t, func(t *testing.T, n table) {
		for _, tc := range []struct {
			skip, every, limit int
			want               []int // of statements 1 to 12, at which the rule fires
		}{
			{skip: 10, want: []int{11, 12}},
			{every: 1, limit: 2, want: []int{1, 2}},
			{every: 5, want: []int{5, 10}},
			{skip: 2, every: 3, limit: 2, want: []int{5, 8}},
		} {
			statement, fired := 0, []int{}
			rule := &faults.SQLRule{
				Touching: "select", Skip: tc.skip, Every: tc.every, Limit: tc.limit,
				Then: func() { fired = append(fired, statement) },
			}

			n.proxy.Clear()
			n.proxy.Add(rule)
			for statement = 1; statement <= 12; statement++ {
				if _, err := n.through.ExecContext(t.Context(), "SELECT 1"); err != nil {
					t.Fatal(err)
				}
			}

			if !slices.Equal(fired, tc.want) || rule.Fired() != int64(len(tc.want)) {
				t.Errorf("skip %d, every %d, limit %d: fired %d times, at %v; want %v", tc.skip, tc.every,
					tc.limit, rule.Fired(), fired, tc.want)
			}
		}
	})
}

// The server knows nothing of the refusal: its transaction is still open, and a later COMMIT takes
// effect.
func TestARefusedCommitLeavesTheTransactionOpen(t *testing.T) {
	eachTable(t, func(t *testing.T, n table) {
		refused := &faults.SQLRule{
			Touching: "INSERT", At: faults.BeforeCommit, Limit: 1, Do: faults.Refuse,
			Answer: faults.SQLAnswer{Number: 1317, State: "70100", Text: "Query execution was interrupted"},
		}
		acknowledged := &faults.SQLRule{Touching: "INSERT", At: faults.AfterCommit}
		n.proxy.Add(refused)
		n.proxy.Add(acknowledged)

		conn, err := n.through.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		for _, statement := range []string{"START TRANSACTION", "INSERT INTO numbers VALUES (1)"} {
			if _, err := conn.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}

		_, err = conn.ExecContext(t.Context(), "COMMIT")
		want := mysql.MySQLError{
			Number: 1317, SQLState: [5]byte([]byte("70100")), Message: "Query execution was interrupted",
		}
		if answered := (*mysql.MySQLError)(nil); !errors.As(err, &answered) || *answered != want {
			t.Errorf("error %v, want %v", err, &want)
		}
		if refused.Fired() != 1 || n.has(t, 1) {
			t.Errorf("refused %d times, committed: %t; want once, and not", refused.Fired(), n.has(t, 1))
		}

		if _, err := conn.ExecContext(t.Context(), "SELECT 1"); err != nil || acknowledged.Fired() != 0 {
			t.Errorf("error %v; %d answers were taken for the COMMIT's", err, acknowledged.Fired())
		}
		if _, err := conn.ExecContext(t.Context(), "COMMIT"); err != nil || !n.has(t, 1) {
			t.Errorf("error %v, committed: %t; want the open transaction committed", err, n.has(t, 1))
		}
	})
}

// A COMMIT that is held and then cut by the weather is not executed any more.
func TestCutEndsAHold(t *testing.T) {
	eachTable(t, func(t *testing.T, n table) {
		arrived := make(chan struct{})
		n.proxy.Add(&faults.SQLRule{
			Touching: "INSERT", At: faults.BeforeCommit, Do: faults.Hold, For: time.Hour,
			Then: func() { close(arrived) },
		})
		inserted := make(chan error, 1)
		go func() { inserted <- n.insert(t.Context(), 1) }()

		select {
		case <-arrived:
		case err := <-inserted:
			t.Fatalf("not held, error %v", err)
		}

		n.proxy.Cut()
		if err := <-inserted; err == nil || n.has(t, 1) {
			t.Errorf("error %v, committed: %t; want it cut", err, n.has(t, 1))
		}
	})
}

func TestErrorsCountsLockWaits(t *testing.T) {
	eachTable(t, func(t *testing.T, n table) {
		holder, err := n.direct.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = holder.Rollback() }()
		if _, err := holder.ExecContext(t.Context(), "INSERT INTO numbers VALUES (1)"); err != nil {
			t.Fatal(err)
		}

		conn, err := n.through.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.ExecContext(t.Context(), "SET SESSION innodb_lock_wait_timeout = 1"); err != nil {
			t.Fatal(err)
		}

		const lockWait, deadlock, duplicate = 1205, 1213, 1062
		_, err = conn.ExecContext(t.Context(), "INSERT INTO numbers VALUES (1)")
		if answered := (*mysql.MySQLError)(nil); !errors.As(err, &answered) || answered.Number != lockWait {
			t.Fatalf("error %v, want a lock wait", err)
		}
		if n.proxy.Errors(lockWait) != 1 || n.proxy.Errors(deadlock) != 0 || n.proxy.Errors(duplicate) != 0 {
			t.Errorf("counted %d lock waits, %d deadlocks, %d duplicate keys; want 1, 0, 0",
				n.proxy.Errors(lockWait), n.proxy.Errors(deadlock), n.proxy.Errors(duplicate))
		}
	})
}

// Every 128th answer to the server's question at login begins like a statement.
func TestALoginIsNoStatement(t *testing.T) {
	p := newMySQL(t, startEcho(t, "127.0.0.1:0").addr())
	rule := &faults.SQLRule{Do: faults.Cut}
	p.Add(rule)
	conn, sent := dial(t, p.Addr()), packet(3, []byte("\x03 twenty bytes of hash"))
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := readBack(conn, sent); err != nil || rule.Fired() != 0 {
		t.Errorf("error %v, the rule fired %d times; want the packet to pass", err, rule.Fired())
	}
}

// Two kinds of transactions touch one table. The rule is for the kind that touches a second table
// too.
func TestARuleKnowsATransactionByTwoTables(t *testing.T) {
	eachTable(t, func(t *testing.T, n table) {
		if _, err := n.direct.ExecContext(t.Context(), "CREATE TABLE marks (n INT PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}

		insert := func(tables ...string) {
			tx, err := n.through.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range tables {
				if _, err := tx.ExecContext(t.Context(), "INSERT INTO "+name+
					" SELECT COALESCE(MAX(n), 0) + 1 FROM "+name); err != nil {
					t.Fatal(err)
				}
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}

		rules := map[faults.SQLMoment]*faults.SQLRule{}
		for _, at := range []faults.SQLMoment{faults.AtStatement, faults.BeforeCommit, faults.AfterCommit} {
			rules[at] = &faults.SQLRule{Touching: "INSERT INTO numbers", Also: "INSERT INTO marks", At: at}
		}

		for _, step := range []struct {
			tables []string
			at     int64 // firings so far at the statement
			commit int64 // and at either side of the commit
		}{
			{[]string{"numbers"}, 0, 0},
			{[]string{"marks"}, 0, 0},
			{[]string{"numbers", "marks"}, 0, 1}, // at the statement, the second table is not touched yet
			{[]string{"marks", "numbers"}, 1, 2},
			{[]string{"numbers"}, 1, 2}, // the transaction before is forgotten
		} {
			// The first rule that fires decides, so each is asked alone.
			for at, rule := range rules {
				n.proxy.Clear()
				n.proxy.Add(rule)
				insert(step.tables...)

				want := step.commit
				if at == faults.AtStatement {
					want = step.at
				}
				if rule.Fired() != want {
					t.Errorf("after %v, moment %d: fired %d times, want %d",
						step.tables, at, rule.Fired(), want)
				}
			}
		}
	})
}

// A statement that was held until its session was gone is refused; one that the server still takes
// is not.
func TestRefusedCountsWhatCameTooLate(t *testing.T) {
	eachTable(t, func(t *testing.T, n table) {
		for i, refuse := range []func(id int64){
			func(int64) {},
			func(id int64) {
				if _, err := n.direct.ExecContext(t.Context(), fmt.Sprint("KILL ", id)); err != nil {
					t.Error(err)
				}
			},
			func(int64) {
				if _, err := n.direct.ExecContext(t.Context(), "INSERT INTO numbers VALUES (1)"); err != nil {
					t.Error(err)
				}
			},
		} {
			conn, err := n.through.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var id int64
			if err := conn.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
				t.Fatal(err)
			}

			rule := &faults.SQLRule{
				Touching: "INSERT INTO numbers", Do: faults.Hold, For: 100 * time.Millisecond,
				Then: func() { refuse(id) },
			}
			n.proxy.Add(rule)
			_, err = conn.ExecContext(t.Context(),
				fmt.Sprintf("INSERT INTO numbers VALUES (%d)", max(0, i-1)))
			_ = conn.Close()
			n.proxy.Clear()

			want := int64(min(i, 1))
			wait.Until(t, patience, func() error {
				if rule.Refused() != want || rule.Fired() != 1 {
					return fmt.Errorf("statement %d: error %w, fired %d times, refused %d; want 1, %d", i,
						err, rule.Fired(), rule.Refused(), want)
				}
				return nil
			})
			if (err != nil) != (want == 1) {
				t.Errorf("statement %d: error %v, refused %d times", i, err, want)
			}
		}
	})
}
