// Package testdb gives a test a database of its own on a real server.
package testdb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/stack/servers"
	"settlement/migrations"
	"settlement/shared/dbtx"
)

// subtests maps the prefix of the environment variables that hold an administrator's DSN and the
// server's kind to the name of the subtest that runs there.
var subtests = map[string]string{"TEST_MYSQL": "mysql", "TEST_MARIADB": "mariadb"}

var errNoServer = errors.New("no database server: set TEST_MYSQL_DSN or TEST_MARIADB_DSN to an" +
	" administrator's DSN, or run make test, which starts both")

// Each runs test as a subtest on every configured server, on a fresh migrated database
// that is dropped at the end. It fails when no server is configured.
func Each(t *testing.T, set migrations.Set, test func(t *testing.T, db Database)) {
	t.Helper()
	EachEmpty(t, func(t *testing.T, d Database) {
		db, err := d.Pool.SQL()
		if err != nil {
			t.Fatal(err)
		}
		if err := migrations.Up(t.Context(), db, set, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		test(t, d)
	})
}

// EachEmpty is Each without the migrations.
func EachEmpty(t *testing.T, test func(t *testing.T, db Database)) {
	t.Helper()
	eachServer(t, func(t *testing.T, dsn, _ string) { test(t, fresh(t, dsn)) })
}

func eachServer(t *testing.T, test func(t *testing.T, dsn, kind string)) {
	t.Helper()
	configured := false
	for prefix, name := range subtests {
		dsn := os.Getenv(prefix + "_DSN")
		if dsn == "" {
			continue
		}
		configured = true
		t.Run(name, func(t *testing.T) { test(t, dsn, cmp.Or(os.Getenv(prefix+"_KIND"), name)) })
	}
	if !configured {
		t.Fatal(errNoServer)
	}
}

// EachOwn is EachEmpty on servers that the test has for itself and may set up as it likes; they are
// started with args.
func EachOwn(t *testing.T, args []string, test func(t *testing.T, db Database)) {
	t.Helper()
	eachServer(t, func(t *testing.T, _, kind string) {
		dsn, stop, err := servers.StartDatabase(t.Context(), kind, io.Discard, args...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
		test(t, fresh(t, dsn))
	})
}

// Database is a fresh database of one test.
type Database struct {
	Pool *dbtx.Pool
	// Config opens it another time, as a second instance of a service would.
	Config dbtx.Config
	// Admin is the server's root, in a session as the server's defaults make it.
	Admin *sql.DB
}

// Open opens a further pool on the database, as a second instance of a service would.
func (d Database) Open(t *testing.T) *dbtx.Pool {
	t.Helper()
	pool, err := dbtx.Open(d.Config, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func fresh(t *testing.T, adminDSN string) Database {
	t.Helper()
	d, drop, err := create(context.Background(), adminDSN, "t_")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = drop() })
	d.Pool = d.Open(t)
	return d
}

// create makes a database whose name begins with prefix. It has no pool yet.
func create(ctx context.Context, adminDSN, prefix string) (d Database, drop func() error, err error) {
	server, err := mysql.ParseDSN(adminDSN)
	if err != nil {
		return d, nil, err
	}
	admin, err := sql.Open("mysql", adminDSN)
	if err != nil {
		return d, nil, err
	}

	name := prefix + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return d, nil, errors.Join(err, admin.Close())
	}
	drop = func() error {
		_, err := admin.ExecContext(ctx, "DROP DATABASE "+name)
		return errors.Join(err, admin.Close())
	}
	return Database{Admin: admin, Config: dbtx.Config{
		Addr: server.Addr, Name: name, User: server.User, Password: server.Passwd,
	}}, drop, nil
}
