package migrations_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"settlement/e2e/faults"
	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
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
			if err := database.Pool.Read(t.Context()).Table("outbox_lease").Count(&leases).
				Error; err != nil || leases != 1 {
				t.Errorf("%d lease rows, %v; want the migration to have run once", leases, err)
			}
		})
	}
}

// Each migration may run again. Migration 6 repairs what an earlier release has left, in which a
// discarded refund was the end of its order.
func TestARefundThatWasGivenUpLeavesItsOrderPaid(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		pool, err := db.Pool.SQL()
		if err != nil {
			t.Fatal(err)
		}
		exec := func(statement string) {
			t.Helper()
			if _, err := pool.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}

		for id, kind := range map[string]string{"refunded": "refund", "settled": "settle"} {
			exec("INSERT INTO orders (id, customer_id, account_id, amount_minor, currency, description," +
				" status, payment_no, reason, seq, created_at, updated_at)" +
				" VALUES ('" + id + "', 'c', 'a', 1, 'CNY', '', 'failed', 'no-" + id +
				"', 'discarded', 2, NOW(), NOW())")
			exec("INSERT INTO payments (payment_no, order_id, type, seq, outcome, occurred_at) VALUES ('no-" +
				id + "', '" + id + "', '" + kind + "', 2, 'failed', NOW())")
		}

		exec("DELETE FROM goose_db_version WHERE version_id = 6")
		if err := migrations.Up(t.Context(), pool, migrations.Order,
			slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}

		for id, want := range map[string]string{"refunded": "paid", "settled": "failed"} {
			var status, reason string
			if err := pool.QueryRowContext(t.Context(), "SELECT status, reason FROM orders WHERE id = ?", id).
				Scan(&status, &reason); err != nil || status != want || reason != "discarded" {
				t.Errorf("the order is %s (%s), %v; want %s (discarded)", status, reason, err, want)
			}
		}
	})
}

// GET_LOCK takes names of up to 64 characters. A database's name alone may have as many.
func TestADatabaseMayHaveALongName(t *testing.T) {
	testdb.EachEmpty(t, func(t *testing.T, database testdb.Database) {
		for _, length := range []int{56, 57, 64} {
			config := database.Config
			config.Name += "_" + strings.Repeat("x", length-len(config.Name)-1)
			admin := func(statement string) {
				if _, err := database.Admin.ExecContext(context.WithoutCancel(t.Context()),
					statement+" "+config.Name); err != nil {
					t.Fatal(err)
				}
			}
			admin("CREATE DATABASE")
			if err := migrations.AtStart(t.Context(), config, migrations.Order,
				slog.New(slog.DiscardHandler)); err != nil {
				t.Errorf("a name of %d characters: %v", length, err)
			}
			admin("DROP DATABASE")
		}
	})
}

// The errors of a failover and of a busy server pass soon, so a start waits. A wrong configuration
// does not pass.
func TestAStartWaitsForWhatPasses(t *testing.T) {
	passing := map[uint16]string{
		1040: "08004", 1047: "08S01", 1053: "08S01", 1205: "HY000", 1290: "HY000", 1317: "70100",
		3100: "HY000", 3101: "40000", 65000: "HY000",
	}
	testdb.EachEmpty(t, func(t *testing.T, database testdb.Database) {
		proxy, err := faults.NewMySQL(database.Config.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = proxy.Close() }()
		config := database.Config
		config.Addr = proxy.Addr()

		var rules []*faults.SQLRule
		for number, state := range passing {
			rules = append(rules, &faults.SQLRule{
				Touching: "orders", At: faults.AtStatement, Limit: 1, Do: faults.Refuse,
				Answer: faults.SQLAnswer{Number: number, State: state, Text: "on purpose"},
			})
			proxy.Add(rules[len(rules)-1])
		}

		if err := migrations.AtStart(t.Context(), config, migrations.Order,
			slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
		for _, rule := range rules {
			if rule.Fired() != 1 {
				t.Errorf("%d was answered %d times, want once", rule.Answer.Number, rule.Fired())
			}
		}

		wrong := map[string]func(*dbtx.Config){
			"password": func(c *dbtx.Config) { c.Password = "wrong" },
			"database": func(c *dbtx.Config) { c.Name = "nowhere" },
		}
		for what, spoil := range wrong {
			spoilt := database.Config
			spoil(&spoilt)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err := migrations.AtStart(ctx, spoilt, migrations.Order, slog.New(slog.DiscardHandler))
			if err == nil || ctx.Err() != nil {
				t.Errorf("a wrong %s: %v, and the time is over: %t; want the start to end at once",
					what, err, ctx.Err() != nil)
			}
			cancel()
		}
	})
}

// A kill between the two steps in which goose creates its table leaves the table empty.
func TestAMigrationGoesOnAfterAKillAtItsStart(t *testing.T) {
	testdb.EachEmpty(t, func(t *testing.T, database testdb.Database) {
		pool, err := database.Open(t).SQL()
		if err != nil {
			t.Fatal(err)
		}
		if err := migrations.Up(t.Context(), pool, migrations.Payment,
			slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}

		if _, err := pool.ExecContext(t.Context(), "DELETE FROM goose_db_version"); err != nil {
			t.Fatal(err)
		}

		if err := migrations.Up(t.Context(), pool, migrations.Payment,
			slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
}
