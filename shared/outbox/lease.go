package outbox

import (
	"context"
	"fmt"
	"sync"
	"time"

	"settlement/shared/dbtx"
)

const (
	// leaseTTL is how long other instances wait after the instance whose relay holds the lease was
	// killed.
	leaseTTL = 10 * time.Second
	// leaseRenewBelow is the remaining time at which the holder renews.
	leaseRenewBelow = 7 * time.Second
	// leaseSendMargin is what must remain of the lease when a send starts. It is more than a send
	// can take, so that the send has ended when another instance may begin.
	leaseSendMargin = 4 * time.Second
)

// lease is this instance's view of outbox_lease. One goroutine holds and releases it; the
// goroutines that send ask whether it covers them. Expiry is written and compared by the database's
// clock. How much of it remains is measured here, on the monotonic clock and from before the
// request, so neither clock's setting matters.
type lease struct {
	pool   *dbtx.Pool
	holder string

	mu    sync.Mutex
	until time.Time
	// term counts how often the lease was acquired. Between two terms another instance may have
	// sent and placed rows: rows that were read in one term must not be sent in the next.
	term int
}

// hold acquires or renews the lease and reports whether this instance has it, and in which term.
func (l *lease) hold(ctx context.Context) (held bool, term int, err error) {
	if held, term := l.covers(leaseRenewBelow); held {
		return true, term, nil
	}

	asked := time.Now()
	got := false
	err = l.pool.Run(ctx, func(tx dbtx.Tx) error {
		res := tx.DB().Exec(
			"UPDATE outbox_lease SET holder = ?, expires_at = NOW(6) + INTERVAL ? SECOND"+
				" WHERE id = 1 AND (holder = ? OR expires_at < NOW(6))",
			l.holder, int(leaseTTL.Seconds()), l.holder)
		got = res.RowsAffected == 1
		return res.Error
	})
	if err != nil {
		return false, 0, fmt.Errorf("outbox lease: %w", err)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if !got {
		l.until = time.Time{}
		return false, 0, nil
	}
	if l.until.Before(asked) {
		l.term++
	}
	l.until = asked.Add(leaseTTL)
	return true, l.term, nil
}

// coversSend reports whether a send that starts now ends within the lease, in that term.
func (l *lease) coversSend(term int) bool {
	held, now := l.covers(leaseSendMargin)
	return held && now == term
}

// covers reports whether more than d remains.
func (l *lease) covers(d time.Duration) (held bool, term int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.until) > d, l.term
}

// release lets another instance begin at once.
func (l *lease) release(ctx context.Context) error {
	l.mu.Lock()
	l.until = time.Time{}
	l.mu.Unlock()
	return l.pool.Run(ctx, func(tx dbtx.Tx) error {
		return tx.DB().Exec("UPDATE outbox_lease SET expires_at = NOW(6) WHERE id = 1 AND holder = ?",
			l.holder).Error
	})
}
