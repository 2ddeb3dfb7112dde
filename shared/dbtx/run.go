package dbtx

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-sql-driver/mysql"
	"gorm.io/gorm"
)

const (
	// transactionTimeout bounds one run from BEGIN to the answer to COMMIT.
	transactionTimeout = 10 * time.Second
	// retryMax is how often a transaction runs again after its first run.
	retryMax = 5
	// retryPauseMax grows with each retry, so that two transactions that met once do not meet again.
	retryPauseMax = 20 * time.Millisecond
)

// Tx is a transaction under way. Only Run makes one, so a function that takes a Tx
// cannot be called outside of a transaction.
type Tx struct{ db *gorm.DB }

// DB gives the statements of the transaction.
func (tx Tx) DB() *gorm.DB { return tx.db }

// Run runs do in one READ COMMITTED transaction and commits it. It rolls back when do
// returns an error or panics. After a deadlock (1213), a lock wait (1205) or an error
// marked with Again it runs do from the start, up to retryMax times; do must therefore
// set what it hands out and not add to it. A lost answer to COMMIT is ErrCommitUnknown.
func (p *Pool) Run(ctx context.Context, do func(tx Tx) error) error {
	for retry := 0; ; retry++ {
		start := time.Now()
		err := p.once(ctx, do)
		p.seconds.WithLabelValues(result(err)).Observe(time.Since(start).Seconds())
		cause := retryCause(err)
		if cause == "" {
			return err
		}
		if retry == retryMax {
			return fmt.Errorf("given up after %d runs: %w", retryMax+1, err)
		}
		p.retries.WithLabelValues(cause).Inc()
		pause := rand.N(retryPauseMax * time.Duration(retry+1))
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

func (p *Pool) once(ctx context.Context, do func(tx Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	// READ COMMITTED: under REPEATABLE READ a SELECT after a duplicate-key error may not
	// see the row that caused it.
	tx := p.db.WithContext(ctx).Begin(&sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if tx.Error != nil {
		return fmt.Errorf("begin: %w", tx.Error)
	}
	done := false
	defer func() {
		if !done { // an error or a panic; a failed rollback leaves a connection that the driver drops
			tx.Rollback()
		}
	}()
	if err := do(Tx{db: tx}); err != nil {
		return err
	}
	done = true
	return commitError(tx.Commit().Error)
}

// commitError tells a COMMIT that the server refused from one whose answer was lost.
func commitError(err error) error {
	var refused *mysql.MySQLError
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
}

func result(err error) string {
	if err != nil {
		return "rollback"
	}
	return "commit"
}
