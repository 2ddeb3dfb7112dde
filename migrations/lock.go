package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	// lockWaitSeconds is how long one GET_LOCK waits. It is below the read timeout of any pool,
	// which would cut the waiting connection.
	lockWaitSeconds = 8
	// lockWaitMax is how long an instance waits while another one migrates: as long as the other
	// may take.
	lockWaitMax = time.Hour
	// lockToldEvery is how many GET_LOCKs pass between two lines in the log.
	lockToldEvery = 8
)

// lockName is the SQL of the lock's name. Such names are global to the server, so the database is
// part of it. They have at most 64 characters (MySQL refuses more with 3057), and a database's name
// alone may have as many, so a long one is hashed. MySQL 9.7 has no SHA1().
const lockName = "CONCAT('migrate.', IF(CHAR_LENGTH(DATABASE()) > 56, LEFT(SHA2(DATABASE(), 256), 40), DATABASE()))"

var errLocked = errors.New("another instance holds the migration lock")

// locker is goose's session lock by GET_LOCK, which the server releases by itself when
// the session ends, also after a kill.
type locker struct{ log *slog.Logger }

func (l locker) SessionLock(ctx context.Context, conn *sql.Conn) error {
	for try := range int(lockWaitMax.Seconds()) / lockWaitSeconds {
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+lockName+", ?)", lockWaitSeconds).
			Scan(&got); err != nil {
			return fmt.Errorf("migration lock: %w", err)
		}
		if got.Int64 == 1 {
			return nil
		}
		if try%lockToldEvery == 0 {
			l.log.Info("another instance migrates, waiting for it", "waited_seconds", (try+1)*lockWaitSeconds)
		}
	}
	return fmt.Errorf("%w for more than %s: see which session holds it in SHOW PROCESSLIST",
		errLocked, lockWaitMax)
}

func (locker) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "DO RELEASE_LOCK("+lockName+")")
	return err
}
