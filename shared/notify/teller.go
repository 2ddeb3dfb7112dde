package notify

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/wake"
)

const (
	// pageRows is how many notices are read at once, sideBySide how many are told at the same time:
	// a receiver that does not answer must not hold up its other notices for long.
	pageRows   = 64
	sideBySide = 8
	// tellTimeout bounds one try.
	tellTimeout = 10 * time.Second
	// claimTTL is how long other instances leave a claimed notice alone. It is longer than a try.
	claimTTL = 30 * time.Second
	// pauseMin and pauseMax bound the growing pause of a notice that nobody took. It is never given
	// up.
	pauseMin = 1 * time.Second
	pauseMax = 1 * time.Minute
	// pollInterval finds notices of other instances and those whose pause is over.
	pollInterval = 1 * time.Second
	// markTimeout bounds writing down how a try ended.
	markTimeout = 5 * time.Second

	// errorMaxBytes is how much of a failed try's error is kept.
	errorMaxBytes = 1000
)

// Notifier is a way to tell people. Log and Webhook are two.
type Notifier interface {
	// Channel is its name in the table notifications, at most 16 characters.
	Channel() string
	// Tell tells one notice. id is the same whenever this notice is told again. An error means that
	// the notice was not taken.
	Tell(ctx context.Context, id string, body []byte) error
}

// Teller tells the notices of one database on its notifiers' channels. Several instances may run.
type Teller struct {
	pool      *dbtx.Pool
	notifiers []Notifier
	bells     []wake.Bell // one for each notifier
	log       *slog.Logger
}

// NewTeller makes a teller. It leaves channels that it does not have to other instances.
func NewTeller(pool *dbtx.Pool, log *slog.Logger, notifiers ...Notifier) *Teller {
	t := &Teller{pool: pool, notifiers: notifiers, log: log}
	for range notifiers {
		t.bells = append(t.bells, wake.NewBell())
	}
	return t
}

// Wake makes the teller look at once. Call it after a commit that wrote notices; it never blocks.
func (t *Teller) Wake() {
	for _, b := range t.bells {
		b.Ring()
	}
}

// Run tells notices until ctx is done. A try that is then under way is cut off, and the next
// instance makes it again.
func (t *Teller) Run(ctx context.Context) {
	var channels sync.WaitGroup
	for i, n := range t.notifiers {
		channels.Go(func() {
			for ctx.Err() == nil {
				told, err := t.round(ctx, n)
				if err != nil && ctx.Err() == nil {
					t.log.Error("notices cannot be told, trying again", "channel", n.Channel(), "error", err)
				}
				if told == 0 || err != nil {
					t.bells[i].Wait(ctx, pollInterval)
				}
			}
		})
	}
	channels.Wait()
}

// due is a notice whose next try is due. It leads its group.
type due struct {
	ID       string
	ParkedID string
	Body     string
	Attempts int // before this one
}

// round tries the notices that are due on a channel and returns how many were taken.
func (t *Teller) round(ctx context.Context, n Notifier) (told int, err error) {
	if err := t.gather(ctx, n); err != nil {
		return 0, err
	}

	var page []due
	err = t.pool.Read(ctx).Raw("SELECT id, parked_id, body, attempts FROM notifications"+
		" WHERE channel = ? AND told_at IS NULL AND next_try_at <= NOW(6) AND group_id = id ORDER BY"+
		" next_try_at LIMIT ?",
		n.Channel(), pageRows).Scan(&page).Error
	if err != nil {
		return 0, fmt.Errorf("read notifications: %w", err)
	}

	taken := make(chan bool, len(page))
	free := make(chan struct{}, sideBySide)
	var tries sync.WaitGroup
	for _, d := range page {
		free <- struct{}{}
		tries.Go(func() {
			defer func() { <-free }()
			ok, err := t.try(ctx, n, d)
			if err != nil && ctx.Err() == nil {
				t.log.Error("notice not told, trying again", "channel", n.Channel(), "parked_id", d.ParkedID,
					"attempts", d.Attempts+1, "error", err)
			}
			taken <- ok
		})
	}

	tries.Wait()
	close(taken)
	for ok := range taken {
		if ok {
			told++
		}
	}
	return told, nil
}

// try tells one notice, unless another instance does.
func (t *Teller) try(ctx context.Context, n Notifier, d due) (told bool, err error) {
	mine, err := t.claim(ctx, d)
	if err != nil || !mine {
		return false, err
	}
	body, err := t.bodyOf(ctx, d)
	if err != nil {
		return false, err
	}

	telling, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	failure := n.Tell(telling, d.ID, body)

	// The result is written down even when ctx has ended meanwhile.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), markTimeout)
	defer stop()
	if failure != nil {
		return false, t.failed(ctx, d, failure)
	}
	return true, t.told(ctx, d)
}

// claim takes a notice for this instance, for claimTTL.
func (t *Teller) claim(ctx context.Context, d due) (mine bool, err error) {
	err = t.pool.Run(ctx, func(tx dbtx.Tx) error {
		res := tx.DB().Exec("UPDATE notifications SET attempts = attempts + 1, next_try_at = NOW(6) +"+
			" INTERVAL ? SECOND"+
			" WHERE id = ? AND told_at IS NULL AND attempts = ? AND next_try_at <= NOW(6)",
			int(claimTTL.Seconds()), d.ID, d.Attempts)
		mine = res.RowsAffected == 1
		return res.Error
	})
	if err != nil {
		return false, fmt.Errorf("claim notice %s: %w", d.ID, err)
	}
	return mine, nil
}

func (t *Teller) told(ctx context.Context, d due) error {
	err := t.pool.Run(ctx, func(tx dbtx.Tx) error {
		return tx.DB().Exec("UPDATE notifications SET told_at = NOW(6), last_error = '' WHERE group_id = ?",
			d.ID).Error
	})
	if err != nil {
		return fmt.Errorf("notice %s was told, that cannot be written down, so it will be told again: %w",
			d.ID, err)
	}
	return nil
}

// failed notes a try that failed and returns its error.
func (t *Teller) failed(ctx context.Context, d due, why error) error {
	text := why.Error()
	text = strings.ToValidUTF8(text[:min(len(text), errorMaxBytes)], "?")
	err := t.pool.Run(ctx, func(tx dbtx.Tx) error {
		return tx.DB().Exec("UPDATE notifications SET last_error = ?, next_try_at = NOW(6) + INTERVAL ?"+
			" SECOND WHERE id = ? AND told_at IS NULL",
			text, int(pause(d.Attempts+1).Seconds()), d.ID).Error
	})
	if err != nil {
		return fmt.Errorf("%w; and that cannot be written down: %w", why, err)
	}
	return why
}

// pause is how long to wait after so many attempts.
func pause(attempts int) time.Duration {
	p := pauseMin
	for range min(attempts-1, 16) {
		p = min(2*p, pauseMax)
	}
	return p
}
