package testdb

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

// Example gives an example, which has no testing.T, a migrated database of its own on the first
// configured server. Without a server it panics, which fails the example.
func Example(set migrations.Set) (pool *dbtx.Pool, drop func()) {
	ctx := context.Background()
	dsn := cmp.Or(os.Getenv("TEST_MYSQL_DSN"), os.Getenv("TEST_MARIADB_DSN"))
	if dsn == "" {
		panic(errNoServer)
	}
	server, err := mysql.ParseDSN(dsn)
	must(err)
	admin, err := sql.Open("mysql", dsn)
	must(err)

	name := "example_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	_, err = admin.ExecContext(ctx, "CREATE DATABASE "+name)
	must(err)
	config := dbtx.Config{Addr: server.Addr, Name: name, User: server.User, Password: server.Passwd}
	must(migrations.AtStart(ctx, config, set, slog.New(slog.DiscardHandler)))
	pool, err = dbtx.Open(config, prometheus.NewRegistry())
	must(err)

	return pool, func() {
		pool.Close()
		_, err := admin.ExecContext(ctx, "DROP DATABASE "+name)
		must(errors.Join(err, admin.Close()))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
