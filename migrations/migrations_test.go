package migrations_test

import (
	"log/slog"
	"testing"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
)

func TestInstancesThatStartTogetherMigrateOnce(t *testing.T) {
	for _, set := range []migrations.Set{migrations.Order, migrations.Payment} {
		testdb.EachEmpty(t, func(t *testing.T, database testdb.Database) {
			const instances = 8
			errs := make(chan error, instances)
			for range instances {
				pool, err := database.Open(t).SQL()
				if err != nil {
					t.Fatal(err)
				}
				go func() { errs <- migrations.Up(t.Context(), pool, set, slog.New(slog.DiscardHandler)) }()
			}
			for range instances {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			var leases int64
			if err := database.Pool.Read(t.Context()).Table("outbox_lease").Count(&leases).Error; err != nil || leases != 1 {
				t.Errorf("%d lease rows, %v; want the migration to have run once", leases, err)
			}
		})
	}
}

// A kill between the two steps in which goose makes its table leaves it empty.
func TestAMigrationGoesOnAfterAKillAtItsStart(t *testing.T) {
	testdb.EachEmpty(t, func(t *testing.T, database testdb.Database) {
		pool, err := database.Open(t).SQL()
		if err != nil {
			t.Fatal(err)
		}
		if err := migrations.Up(t.Context(), pool, migrations.Payment, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if _, err := pool.ExecContext(t.Context(), "DELETE FROM goose_db_version"); err != nil {
			t.Fatal(err)
		}
		if err := migrations.Up(t.Context(), pool, migrations.Payment, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
}
