package outbox

import (
	"context"
	"fmt"
	"time"

	"settlement/shared/dbtx"
)

const (
	// leaseTTL is how long other instances wait for the relay of one that was killed.
	leaseTTL = 10 * time.Second
	// leaseRenewBelow is the remaining time at which the holder renews.
	leaseRenewBelow = 7 * time.Second
	// leaseSendMargin must remain when a send starts: more than a send can take, so that
	// it has ended when another instance may begin.
	leaseSendMargin = 4 * time.Second
)

// lease is this instance's view of outbox_lease, for one goroutine. Expiry is written
// and compared by the database's clock; how much of it remains is measured here on the
// monotonic clock from before the request, so neither clock's setting matters.
type lease struct {
	pool   *dbtx.Pool
	holder string
	until  time.Time
}

// hold acquires or renews the lease and reports whether this instance has it.
func (l *lease) hold(ctx context.Context) (bool, error) {
	if time.Until(l.until) > leaseRenewBelow {
		return true, nil
	}
	asked := time.Now()
	got := false
	err := l.pool.Run(ctx, func(tx dbtx.Tx) error {
		res := tx.DB().Exec(
			"UPDATE outbox_lease SET holder = ?, expires_at = NOW(6) + INTERVAL ? SECOND"+
				" WHERE id = 1 AND (holder = ? OR expires_at < NOW(6))",
			l.holder, int(leaseTTL.Seconds()), l.holder)
		got = res.RowsAffected == 1
		return res.Error
	})
	if err != nil {
		return false, fmt.Errorf("outbox lease: %w", err)
	}
	if !got {
		l.until = time.Time{}
		return false, nil
	}
	l.until = asked.Add(leaseTTL)
	return true, nil
}

// coversSend reports whether a send that starts now ends within the lease.
func (l *lease) coversSend() bool { return time.Until(l.until) > leaseSendMargin }

// release lets another instance begin at once.
func (l *lease) release(ctx context.Context) error {
	l.until = time.Time{}
	return l.pool.Run(ctx, func(tx dbtx.Tx) error {
		return tx.DB().Exec("UPDATE outbox_lease SET expires_at = NOW(6) WHERE id = 1 AND holder = ?", l.holder).Error
	})
}
