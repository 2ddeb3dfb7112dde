package migrations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/lifecycle"
)

const (
	// databaseWait is how long the database may take to come up before the service gives up.
	databaseWait = 2 * time.Minute
	// pingTimeout bounds one ping of a database that takes connections and answers nothing.
	pingTimeout = 10 * time.Second
)

// AtStart waits for the database and applies the migrations that it lacks. An error that waiting
// does not cure, such as a wrong password, is returned at once. databaseWait does not bound a
// migration under way, which takes long on a grown table.
func AtStart(ctx context.Context, cfg dbtx.Config, set Set, log *slog.Logger) error {
	db, err := dbtx.OpenMigrations(cfg)
	if err != nil {
		return err
	}
	defer db.Close()

	ping := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		return db.PingContext(ctx)
	}

	waiting, cancel := context.WithTimeout(ctx, databaseWait)
	defer cancel()
	var final error
	err = lifecycle.Until(waiting, log, "database", func(waiting context.Context) error {
		err := ping(waiting)
		if err == nil {
			err = Up(ctx, db, set, log) // not under the context that ends the waiting
		}
		if err != nil && !dbtx.MayPass(err) {
			final = fmt.Errorf("database %s at %s: %w", cfg.Name, cfg.Addr, err)
			return nil
		}
		return err
	})
	return errors.Join(err, final)
}
