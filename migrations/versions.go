package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// noSuchTable is MySQL's error 1146.
const noSuchTable = 1146

// ensureVersions creates goose's table of versions, with its first row, under the lock. goose
// creates it before it takes the lock, in two steps. An instance that looks between the steps fails
// with "missing zero version migration", and after a kill between them every start fails.
func ensureVersions(ctx context.Context, db *sql.DB, lock locker) (err error) {
	store, err := database.NewStore(goose.DialectMySQL, goose.DefaultTablename)
	if err != nil {
		return err
	}

	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := lock.SessionLock(ctx, conn); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.SessionUnlock(context.WithoutCancel(ctx), conn)) }()

	_, err = store.GetLatestVersion(ctx, conn)
	var refused *mysql.MySQLError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && refused.Number == noSuchTable:
		if err := store.CreateVersionTable(ctx, conn); err != nil {
			return fmt.Errorf("create table %s: %w", store.Tablename(), err)
		}
	case !errors.Is(err, database.ErrVersionNotFound):
		return fmt.Errorf("read table %s: %w", store.Tablename(), err)
	}

	if err := store.Insert(ctx, conn, database.InsertRequest{Version: 0}); err != nil {
		return fmt.Errorf("first row of table %s: %w", store.Tablename(), err)
	}
	return nil
}
