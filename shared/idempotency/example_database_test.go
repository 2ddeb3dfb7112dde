package idempotency_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"settlement/migrations"
	"settlement/shared/dbtx"
)

// exampleDatabase is testdb for an example, which has no testing.T: a migrated database of its own.
// Without a server it panics, which fails the example.
func exampleDatabase() (pool *dbtx.Pool, drop func()) {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}

	ctx := context.Background()
	dsn := cmp.Or(os.Getenv("TEST_MYSQL_DSN"), os.Getenv("TEST_MARIADB_DSN"))
	if dsn == "" {
		check(errors.New("no database server: set TEST_MYSQL_DSN or TEST_MARIADB_DSN to an administrator's DSN"))
	}
	server, err := mysql.ParseDSN(dsn)
	check(err)
	admin, err := sql.Open("mysql", dsn)
	check(err)

	name := "example_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	_, err = admin.ExecContext(ctx, "CREATE DATABASE "+name)
	check(err)
	config := dbtx.Config{Addr: server.Addr, Name: name, User: server.User, Password: server.Passwd}
	check(migrations.AtStart(ctx, config, migrations.Order, slog.New(slog.DiscardHandler)))
	pool, err = dbtx.Open(config, prometheus.NewRegistry())
	check(err)

	return pool, func() {
		pool.Close()
		_, err := admin.ExecContext(ctx, "DROP DATABASE "+name)
		check(err)
		admin.Close()
	}
}
