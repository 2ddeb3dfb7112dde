package testdb

import (
	"cmp"
	"context"
	"log/slog"
	"os"

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
	d, dropDatabase, err := create(ctx, dsn, "example_")
	must(err)
	must(migrations.AtStart(ctx, d.Config, set, slog.New(slog.DiscardHandler)))
	pool, err = dbtx.Open(d.Config, prometheus.NewRegistry())
	must(err)

	return pool, func() {
		pool.Close()
		must(dropDatabase())
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
