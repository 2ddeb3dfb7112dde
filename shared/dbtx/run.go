package dbtx

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
)

const (
	// transactionTimeout bounds one run from BEGIN to the answer to COMMIT.
	transactionTimeout = 10 * time.Second
	// retryMax is how often a transaction runs again after its first run.
	retryMax = 5
	// retryPauseMax bounds the random pause before the first retry. The bound grows with each
	// retry, so that two transactions that met once do not meet again.
	retryPauseMax = 20 * time.Millisecond
)

// Tx is a transaction under way. Only Run makes one, so a function that takes a Tx
// cannot be called outside of a transaction.
type Tx struct{ db *gorm.DB }

// DB gives the statements of the transaction.
func (tx Tx) DB() *gorm.DB { return tx.db }

// Run runs do in one READ COMMITTED transaction and commits it. It rolls back when do returns an
// error or panics. After a conflict, and after an error marked with Again, it runs do from the
// start, up to retryMax times; do must therefore set what it hands out and not add to it. A
// conflict is, for example, a deadlock (1213) or, where the work has lockWaits, a lock wait (1205).
// When the answer to COMMIT is lost, or proves nothing, the error is ErrCommitUnknown.
//
// Where the work limits how long a transaction waits for its turn, a transaction that gets none
// returns an error that IsTransient.
func (p *Pool) Run(ctx context.Context, do func(tx Tx) error) error {
	done, err := p.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	return p.run(ctx, do)
}

// takeTurn waits until one more transaction may be under way. done gives the turn back.
func (p *Pool) takeTurn(ctx context.Context) (done func(), err error) {
	if p.turns == nil {
		return func() {}, nil
	}

	timer := time.NewTimer(p.work.turnWait)
	defer timer.Stop()
	select {
	case p.turns <- struct{}{}:
		return func() { <-p.turns }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("no turn among %d transactions of %s: %w",
			p.work.turnsMax, p.work.name, ctx.Err())
	case <-timer.C:
		return nil, fmt.Errorf("no turn among %d transactions of %s within %s: %w",
			p.work.turnsMax, p.work.name, p.work.turnWait, context.DeadlineExceeded)
	}
}

func (p *Pool) run(ctx context.Context, do func(tx Tx) error) error {
	var duplicate string // message of the last duplicate key
	for retry := 0; ; retry++ {
		start := time.Now()
		err := p.once(ctx, do)
		p.seconds.WithLabelValues(result(err)).Observe(time.Since(start).Seconds())
		cause := p.retryCause(err)
		if cause == "" {
			return err
		}

		if key := duplicateKey(err); key != nil {
			if key.Message == duplicate {
				return newOwnDuplicate(err, key)
			}
			duplicate = key.Message
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

// retryCause is the label of why the transaction may run again, or "" when it must not.
func (p *Pool) retryCause(err error) string {
	var a *again
	switch {
	case Classify(err) != Conflict:
		return ""
	case errors.As(err, &a):
		return a.cause
	case IsLockWait(err) && !p.work.lockWaits:
		return ""
	}
	return retryCauses[number(err)]
}

func (p *Pool) once(ctx context.Context, do func(tx Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	tx := p.db.WithContext(ctx).Begin() // the session is READ COMMITTED
	if tx.Error != nil {
		return fmt.Errorf("begin: %w", tx.Error)
	}

	done := false
	defer func() {
		if !done { // an error or a panic; the connection of a rollback that fails is closed
			tx.Rollback()
		}
	}()

	if err := do(Tx{db: tx}); err != nil {
		return err
	}
	done = true
	return commitError(tx.Commit().Error)
}

// commitError distinguishes a COMMIT that was certainly not done from one whose outcome is unknown.
func commitError(err error) error {
	if err == nil || provesRollback(err) {
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
