package idempotency_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/faults"
	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
)

// When the outcome is unknown, the client asks again with the same key. The change is there once,
// whatever became of the COMMIT.
func TestAfterAnUnknownCommitTheSameKeyFindsTheAnswer(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
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

		if err := db.Pool.Read(t.Context()).
			Exec("CREATE TABLE made (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(64))").
			Error; err != nil {
			t.Fatal(err)
		}

		for name, rule := range map[string]*faults.SQLRule{
			"committed, answer lost": {At: faults.AfterCommit, Do: faults.Cut},
			"never committed":        {At: faults.BeforeCommit, Do: faults.Cut},
			"answered by an error": {
				At: faults.BeforeCommit, Do: faults.Refuse,
				Answer: faults.SQLAnswer{
					Number: 1317, State: "70100", Text: "Query execution was interrupted",
				},
			},
		} {
			t.Run(name, func(t *testing.T) {
				defer proxy.Clear()
				req, err := idempotency.NewRequest(name[:5], "POST /made", name)
				if err != nil {
					t.Fatal(err)
				}
				run := func(ctx context.Context) (string, error) {
					return idempotency.Run(ctx, pool, req, time.Now(), func(tx dbtx.Tx) (string, error) {
						return "made " + name, tx.DB().Exec("INSERT INTO made (name) VALUES (?)", name).Error
					})
				}

				rule.Touching, rule.Limit = "insert into made", 1
				proxy.Add(rule)
				if _, err := run(t.Context()); !errors.Is(err, dbtx.ErrCommitUnknown) || rule.Fired() != 1 {
					t.Fatalf("error %v after %d faults, want an unknown outcome", err, rule.Fired())
				}

				// The server may take a moment to notice that the connection is gone, and to free
				// its locks.
				again, err := run(t.Context())
				for errors.Is(err, idempotency.ErrInFlight) {
					again, err = run(t.Context())
				}
				if err != nil || again != "made "+name {
					t.Errorf("the same key again: %q, error %v", again, err)
				}

				var made int64
				if err := db.Pool.Read(t.Context()).Raw("SELECT COUNT(*) FROM made WHERE name = ?", name).
					Scan(&made).Error; err != nil || made != 1 {
					t.Errorf("made %d times, error %v; want once", made, err)
				}
			})
		}
	})
}
