package dbtx_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
)

// deviations are defaults that a server can have and our sessions must not.
var deviations = []struct{ variable, value, usual string }{
	{"autocommit", "0", "1"},
	{"completion_type", "1", "0"},
	{"completion_type", "2", "0"},
	{"time_zone", "'+08:00'", "'SYSTEM'"},
	{"sql_mode", "''", "DEFAULT"},
	{
		"sql_mode", "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,STRICT_ALL_TABLES,NO_ZERO_DATE'",
		"DEFAULT",
	},
	{"unique_checks", "0", "1"},
	{"foreign_key_checks", "0", "1"},
	{"sql_safe_updates", "1", "0"},
	{"max_join_size", "1", "DEFAULT"},
	{"sql_select_limit", "1", "18446744073709551615"},
	{"default_storage_engine", "MyISAM", "InnoDB"},
	{"transaction_isolation", "'SERIALIZABLE'", "'REPEATABLE-READ'"},
	{"tx_isolation", "'SERIALIZABLE'", "'REPEATABLE-READ'"},
	{"transaction_read_only", "1", "0"},
	{"tx_read_only", "1", "0"},
	{"innodb_snapshot_isolation", "ON", "DEFAULT"},
	{"check_constraint_checks", "0", "1"},
	{"max_statement_time", "0.1", "0"},
	{"max_execution_time", "100", "0"},
	{"init_connect", "'SET NAMES latin1'", "''"},
}

// noSuchVariable is the error of a server that does not have a variable.
const noSuchVariable = 1193

func TestSessionsDoNotDependOnTheServersDefaults(t *testing.T) {
	testdb.EachOwn(t, nil, func(t *testing.T, db testdb.Database) {
		tested := 0
		for _, d := range deviations {
			set := func(value string) error {
				_, err := db.Admin.ExecContext(t.Context(),
					fmt.Sprintf("SET GLOBAL %s = %s", d.variable, value))
				return err
			}

			err := set(d.value)
			if refused := (*mysql.MySQLError)(nil); errors.As(err, &refused) &&
				refused.Number == noSuchVariable {
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", d.variable, err)
			}

			tested++
			t.Run(d.variable+"="+d.value, func(t *testing.T) { useLikeAStore(t, db) })
			if err := set(d.usual); err != nil {
				t.Fatalf("%s: %v", d.variable, err)
			}
		}

		if tested < 16 {
			t.Errorf("%d deviations were tested: too many are of variables that this server does not know",
				tested)
		}
	})
}

// The server ignores the client's character set, and its own is another one.
func TestTextIsStoredAsItIsWhateverTheServersCharacterSet(t *testing.T) {
	// loose, because MySQL 9.7 no longer has the option.
	args := []string{
		"--loose-skip-character-set-client-handshake", "--character-set-server=latin1",
		"--collation-server=latin1_swedish_ci",
	}
	testdb.EachOwn(t, args, useLikeAStore)
}

// useLikeAStore does what the services do, in a fresh pool, and looks from another session at what
// came of it.
func useLikeAStore(t *testing.T, db testdb.Database) {
	t.Helper()
	pool := db.Open(t)
	clean := func() {
		if _, err := db.Admin.ExecContext(t.Context(), "DROP TABLE IF EXISTS "+
			db.Config.Name+".kept"); err != nil {
			t.Error(err)
		}
	}
	clean()
	defer clean()

	create := "CREATE TABLE kept (id INT PRIMARY KEY, no CHAR(8) CHARACTER SET ascii NOT NULL, name VARCHAR(20) NOT NULL, n INT NOT NULL," +
		" at DATETIME(6) NOT NULL, UNIQUE KEY (no), CONSTRAINT positive CHECK (n >= 0)) DEFAULT CHARSET = utf8mb4"
	if err := pool.Read(t.Context()).Exec(create).Error; err != nil {
		t.Fatal(err)
	}

	const name = `理 "é" \ 'ß' 🙂`
	err := pool.Run(t.Context(), func(tx dbtx.Tx) error {
		for id := range 3 {
			err := tx.DB().Exec("INSERT INTO kept VALUES (?, ?, ?, 0, NOW(6))",
				id, fmt.Sprint("no-", id), name).Error
			if err != nil {
				return err
			}
		}
		return tx.DB().Exec("UPDATE kept SET n = n + 1 WHERE n = 0").Error // no index: a scan
	})
	if err != nil {
		t.Fatalf("a transaction like the store's: %v", err)
	}

	// A statement outside of Run ends by itself, and so does the session's transaction after a
	// COMMIT.
	if err := pool.Read(t.Context()).Exec("UPDATE kept SET n = 2 WHERE id = 0").Error; err != nil {
		t.Fatal(err)
	}

	seen := db.Open(t)
	var rows []struct {
		ID, N int
		Name  string
		Hex   string
	}
	// Each row is joined with each: more than a small max_join_size allows, and more rows than a
	// small sql_select_limit.
	join := "SELECT a.id, a.n, a.name, HEX(a.name) AS hex FROM kept a JOIN kept b ORDER BY a.id, b.id"
	if err := seen.Read(t.Context()).Raw(join).Scan(&rows).Error; err != nil {
		t.Fatal(err)
	}

	if len(rows) != 9 {
		t.Fatalf("%d rows, want 9", len(rows))
	}
	if want := strings.ToUpper(fmt.Sprintf("%x", name)); rows[0].Name != name || rows[0].Hex != want ||
		rows[0].N != 2 || rows[8].N != 1 {
		t.Errorf("stored %+v, want name %q as %s and n 2, and 1 in the last row", rows[0], name, want)
	}

	refuses := func(what, statement string, class dbtx.Class) {
		err := pool.Run(t.Context(), func(tx dbtx.Tx) error { return tx.DB().Exec(statement).Error })
		if got := dbtx.Classify(err); got != class {
			t.Errorf("%s: %v is %s, want %s", what, err, got, class)
		}
	}
	refuses("a second row of a unique key", "INSERT INTO kept VALUES (9, 'no-1', '', 0, NOW(6))",
		dbtx.Refused)
	refuses("a value that is too long", "INSERT INTO kept VALUES (9, 'much too long', '', 0, NOW(6))",
		dbtx.Refused)

	looksPinned(t, pool)
	scansPastALockedRow(t, pool, db)
}

// looksPinned reads the settings whose effect is hard to see.
func looksPinned(t *testing.T, pool *dbtx.Pool) {
	t.Helper()
	var now struct {
		Zone, Engine string
		Off          float64
	}
	err := pool.Read(t.Context()).Raw("SELECT @@time_zone AS zone, @@default_storage_engine AS engine," +
		" TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), NOW(6)) AS off").Scan(&now).Error
	if err != nil || now.Zone != "+00:00" || now.Engine != "InnoDB" || now.Off != 0 {
		t.Errorf("%+v, error %v; want UTC and InnoDB", now, err)
	}

	var off []struct {
		Name string `gorm:"column:Variable_name"`
	}
	err = pool.Read(t.Context()).Raw("SHOW VARIABLES WHERE Variable_name IN" +
		" ('unique_checks', 'foreign_key_checks', 'check_constraint_checks') AND Value <> 'ON'").Scan(&off).
		Error
	if err != nil || len(off) > 0 {
		t.Errorf("not checked: %v, error %v", off, err)
	}

	// This statement takes longer than a server's own limit for one.
	var slept int
	if err := pool.Read(t.Context()).Raw("SELECT SLEEP(0.3)").Scan(&slept).Error; err != nil || slept != 0 {
		t.Errorf("SLEEP was ended: %d, error %v", slept, err)
	}
}

// scansPastALockedRow holds a row. A statement that finds and changes other rows by a scan goes on.
func scansPastALockedRow(t *testing.T, pool *dbtx.Pool, db testdb.Database) {
	t.Helper()
	defer holdRow(t, db)()
	err := pool.Run(t.Context(), func(tx dbtx.Tx) error {
		return tx.DB().Exec("UPDATE kept SET n = 3 WHERE n = 2").Error
	})
	if err != nil {
		t.Errorf("an UPDATE that scans past a locked row that its WHERE does not match: %v", err)
	}
}

func holdRow(t *testing.T, db testdb.Database) (release func()) {
	t.Helper()
	holder, err := db.Admin.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.ExecContext(t.Context(),
		fmt.Sprintf("UPDATE %s.kept SET n = 7 WHERE id = 1", db.Config.Name)); err != nil {
		t.Fatal(err)
	}
	return func() { _ = holder.Rollback() }
}

// A service waits for locks as long as it says itself and not as the server says; a migration waits
// longer.
func TestWaitsForLocksAreShort(t *testing.T) {
	testdb.EachEmpty(t, func(t *testing.T, db testdb.Database) {
		for _, statement := range []string{
			"CREATE TABLE kept (id INT PRIMARY KEY, n INT NOT NULL)", "INSERT INTO kept VALUES (1, 0)",
		} {
			if err := db.Pool.Read(t.Context()).Exec(statement).Error; err != nil {
				t.Fatal(err)
			}
		}

		release := holdRow(t, db)
		const soon = 8 * time.Second // several times the limits, and far below the servers' own
		for what, statement := range map[string]string{
			"a locked row":   "UPDATE kept SET n = 3 WHERE id = 1",
			"a table in use": "ALTER TABLE kept ADD COLUMN more INT",
		} {
			began := time.Now()
			err := db.Pool.Read(t.Context()).Exec(statement).Error
			if took := time.Since(began); !dbtx.IsLockWait(err) || took > soon {
				t.Errorf("%s: %v after %s, want a lock wait within %s", what, err, took, soon)
			}
		}

		slow, err := dbtx.OpenMigrations(db.Config)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = slow.Close() }()
		migrated := make(chan error, 1)
		go func() {
			_, err := slow.ExecContext(t.Context(), "ALTER TABLE kept ADD COLUMN more INT")
			migrated <- err
		}()
		// This takes longer than any wait or read of a service: SLEEP takes the time on the server.
		if _, err := slow.ExecContext(t.Context(), "DO SLEEP(11)"); err != nil {
			t.Errorf("a migration's statement of 11 s: %v", err)
		}
		release()
		if err := <-migrated; err != nil {
			t.Errorf("a migration that waited 11 s for its table: %v", err)
		}
	})
}

// A schema that is created under other defaults is the same.
func TestMigrationsDoNotDependOnTheServersDefaults(t *testing.T) {
	args := []string{
		"--loose-skip-character-set-client-handshake", "--character-set-server=latin1", "--autocommit=0",
		"--default-storage-engine=MyISAM",
	}
	testdb.EachOwn(t, args, func(t *testing.T, db testdb.Database) {
		for _, set := range []migrations.Set{migrations.Order, migrations.Payment} {
			config := db.Config
			config.Name += string(set)
			if _, err := db.Admin.ExecContext(t.Context(), "CREATE DATABASE "+config.Name); err != nil {
				t.Fatal(err)
			}
			if err := migrations.AtStart(t.Context(), config, set,
				slog.New(slog.NewTextHandler(io.Discard, nil))); err != nil {
				t.Fatal(err)
			}

			var wrong []string
			err := db.Pool.Read(t.Context()).
				Raw("SELECT CONCAT(table_name, ' ', engine, ' ', table_collation) FROM"+
					" information_schema.tables"+
					" WHERE table_schema = ? AND (engine <> 'InnoDB' OR (table_name <> 'goose_db_version' AND"+
					" table_collation NOT LIKE 'utf8mb4%'))",
					config.Name).Scan(&wrong).Error
			if err != nil || len(wrong) > 0 {
				t.Errorf("error %v; wrong tables: %v", err, wrong)
			}
		}
	})
}
