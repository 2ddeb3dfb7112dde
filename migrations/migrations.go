// Package migrations holds the schema of both databases and brings a database up to it.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
)

//go:embed order/*.sql payment/*.sql
var files embed.FS

// Set names the migrations of one service.
type Set string

// The sets, named for their folder.
const (
	Order   Set = "order"
	Payment Set = "payment"
)

// Up applies what db lacks, in one session under a database lock, so that instances
// which start together do not both migrate. It returns when db is current.
func Up(ctx context.Context, db *sql.DB, set Set, log *slog.Logger) error {
	dir, err := fs.Sub(files, string(set))
	if err != nil {
		return fmt.Errorf("migrations %s: %w", set, err)
	}
	if err := ensureVersions(ctx, db, locker{log}); err != nil {
		return fmt.Errorf("migrations %s: %w", set, err)
	}
	provider, err := goose.NewProvider(goose.DialectMySQL, db, dir,
		goose.WithSessionLocker(locker{log}), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrations %s: %w", set, err)
	}

	applied, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrations %s: %w", set, err)
	}

	for _, m := range applied {
		log.Info("migrated", "set", string(set), "file", m.Source.Path, "took", m.Duration.String())
	}
	return nil
}
