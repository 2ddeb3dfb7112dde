package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// lockWaitSeconds is how long an instance waits while another one migrates. It is below
// the services' read timeout, which would cut the connection that waits.
const lockWaitSeconds = 8

// lockTries bounds the wait as a whole to lockTries × lockWaitSeconds.
const lockTries = 15

var errLocked = errors.New("another instance holds the migration lock")

// locker is goose's session lock by GET_LOCK, which the server releases by itself when
// the session ends, also after a kill.
type locker struct{}

func (locker) SessionLock(ctx context.Context, conn *sql.Conn) error {
	for range lockTries {
		var got sql.NullInt64
		// GET_LOCK names are global to the server, so the database is part of the name.
		err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(CONCAT('migrate.', DATABASE()), ?)", lockWaitSeconds).Scan(&got)
		if err != nil {
			return fmt.Errorf("migration lock: %w", err)
		}
		if got.Int64 == 1 {
			return nil
		}
	}
	return fmt.Errorf("%w for more than %d s: see which session holds it in SHOW PROCESSLIST", errLocked, lockTries*lockWaitSeconds)
}

func (locker) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "DO RELEASE_LOCK(CONCAT('migrate.', DATABASE()))")
	return err
}
