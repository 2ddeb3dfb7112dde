package notify_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/receiver"
	"settlement/e2e/stack/testdb"
	"settlement/e2e/wait"
	"settlement/migrations"
	"settlement/shared/dbtx"
	"settlement/shared/lifecycle"
	"settlement/shared/notify"
)

var quiet = slog.New(slog.DiscardHandler)

func receive(t *testing.T) (*receiver.Receiver, *notify.Webhook) {
	t.Helper()
	r, err := receiver.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	webhook, err := notify.NewWebhook(r.URL, r.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return r, webhook
}

// each is a cause of its own for each notice, same is one for all.
func each(i int) int { return i }
func same(int) int   { return 0 }

// park writes notices of n parked messages.
func park(t *testing.T, pool *dbtx.Pool, teller *notify.Teller, n int, cause func(i int) int) {
	t.Helper()
	for i := range n {
		err := pool.Run(t.Context(), func(tx dbtx.Tx) error {
			id := uuid.NewString()
			return teller.Write(tx, time.Now(), notify.Notice{
				Type: notify.EventParked, Key: id, CauseKey: fmt.Sprint(cause(i)),
				Data: notify.Message{ID: id, OrderID: fmt.Sprint(i), Reason: "a bug"},
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	teller.Wake()
}

func pending(pool *dbtx.Pool, want int64) func() error {
	return func() error {
		var n int64
		err := pool.Read(context.Background()).Table("notifications").Where("told_at IS NULL").Count(&n).Error
		if err == nil && n != want {
			err = fmt.Errorf("%d notices wait, want %d", n, want)
		}
		return err
	}
}

func TestAReceiverThatWasDownIsToldOnceItIsBack(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		r, webhook := receive(t)
		r.Down(true)
		teller := notify.NewTeller(db.Pool, quiet, notify.Log{Logger: quiet}, webhook)
		defer lifecycle.Background(t.Context(), teller.Run)()

		park(t, db.Pool, teller, 3, each)
		wait.Until(t, 20*time.Second, func() error {
			if n := r.Refused(); n < 6 { // each twice
				return fmt.Errorf("refused %d times", n)
			}
			return nil
		})

		// The log's are told: a channel does not wait for another.
		if err := pending(db.Pool, 3)(); err != nil {
			t.Error(err)
		}

		r.Down(false)
		wait.Until(t, 30*time.Second, pending(db.Pool, 0))
		ids := map[string]bool{}
		for _, n := range r.Taken() {
			ids[n.ID] = true
		}
		if len(r.Taken()) != 3 || len(ids) != 3 || len(r.Forged()) > 0 {
			t.Errorf("took %v, forged %v; want three notices, each once, each signed", r.Taken(), r.Forged())
		}
	})
}

func TestOfTwoInstancesOneTells(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		r, webhook := receive(t)
		const notices = 100
		first := notify.NewTeller(db.Pool, quiet, webhook)
		second := notify.NewTeller(db.Open(t), quiet, webhook)
		park(t, db.Pool, first, notices, each)
		defer lifecycle.Background(t.Context(), first.Run)()
		defer lifecycle.Background(t.Context(), second.Run)()

		wait.Until(t, 30*time.Second, pending(db.Pool, 0))
		if n := len(r.Taken()); n != notices {
			t.Errorf("told %d times, want each of %d once", n, notices)
		}
	})
}

// A fault that parks hundreds of messages must not ring hundreds of telephones, and must not leave
// one out.
func TestNoticesOfOneCauseAreToldAsOne(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		r, webhook := receive(t)
		r.Down(true)
		const notices = 150
		teller := notify.NewTeller(db.Pool, quiet, webhook)
		other := notify.NewTeller(db.Open(t), quiet, webhook)
		park(t, db.Pool, teller, notices, same)
		defer lifecycle.Background(t.Context(), teller.Run)()
		defer lifecycle.Background(t.Context(), other.Run)()
		wait.Until(t, 20*time.Second, func() error {
			if r.Refused() == 0 {
				return errors.New("nothing was told yet")
			}
			return nil
		})
		park(t, db.Pool, teller, 1, same) // while the first are under way
		r.Down(false)
		wait.Until(t, 60*time.Second, pending(db.Pool, 0))

		told, count := map[string]bool{}, 0
		for _, n := range r.Taken() {
			count += n.Data.Count
			for _, id := range n.Data.IDs {
				if told[id] {
					t.Errorf("message %s was told twice", id)
				}
				told[id] = true
			}
		}
		if len(r.Taken()) > 5 || count != notices+1 {
			t.Errorf("%d messages in %d notices, want %d in a few", count, len(r.Taken()), notices+1)
		}
	})
}

// stopped is a notifier during whose try the service is stopped.
type stopped struct{ stop context.CancelFunc }

func (stopped) Channel() string { return "webhook" }

func (s stopped) Tell(ctx context.Context, _ string, _ []byte) error {
	s.stop()
	<-ctx.Done()
	return ctx.Err()
}

func TestANoticeThatAStopCutOffIsToldByTheNextInstance(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		ctx, stop := context.WithCancel(t.Context())
		first := notify.NewTeller(db.Pool, quiet, stopped{stop})
		park(t, db.Pool, first, 1, each)
		first.Run(ctx)
		if err := pending(db.Pool, 1)(); err != nil {
			t.Fatal(err)
		}

		r, webhook := receive(t)
		next := notify.NewTeller(db.Pool, quiet, webhook)
		defer lifecycle.Background(t.Context(), next.Run)()
		wait.Until(t, 20*time.Second, pending(db.Pool, 0))
		if n := len(r.Taken()); n != 1 {
			t.Errorf("told %d times, want once", n)
		}
	})
}

func TestANoticeOfARolledBackTransactionIsNotTold(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		teller := notify.NewTeller(db.Pool, quiet, notify.Log{Logger: quiet})
		undone := errors.New("undone")
		err := db.Pool.Run(t.Context(), func(tx dbtx.Tx) error {
			return errors.Join(teller.Write(tx, time.Now(),
				notify.Notice{Type: notify.EventParked, Key: uuid.NewString()}), undone)
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}

		if err := pending(db.Pool, 0)(); err != nil {
			t.Error(err)
		}
	})
}

func TestAWrongReceiverIsRefusedAndNotShown(t *testing.T) {
	good := secretOf(24)
	for _, c := range []struct{ url, secret, names string }{
		{"ftp://chat/token", good, "WEBHOOK_URL"},
		{"token", good, "WEBHOOK_URL"},
		{"http://chat/token", "not base64: token", "WEBHOOK_SECRET must be"},
		{"http://chat/token", "", "WEBHOOK_SECRET is the base64 of 0 bytes, must be of 24 to 64"},
		{"http://chat/token", "whsec_", "WEBHOOK_SECRET is the base64 of 0 bytes"},
		{"http://chat/token", secretOf(1), "WEBHOOK_SECRET is the base64 of 1 bytes"},
		{"http://chat/token", secretOf(23), "WEBHOOK_SECRET is the base64 of 23 bytes"},
		{"http://chat/token", secretOf(65), "WEBHOOK_SECRET is the base64 of 65 bytes"},
	} {
		if _, err := notify.NewWebhook(c.url, c.secret); err == nil ||
			!strings.Contains(err.Error(), c.names) || strings.Contains(err.Error(), "token") {
			t.Errorf("%s with %q: error %v, want one that names %s and shows no secret",
				c.url, c.secret, err, c.names)
		}
	}

	for _, secret := range []string{good, secretOf(64), strings.TrimPrefix(good, "whsec_")} {
		if _, err := notify.NewWebhook("http://chat/token", secret); err != nil {
			t.Errorf("a secret of %d characters is refused: %v", len(secret), err)
		}
	}

	nobody, err := notify.NewWebhook("http://127.0.0.1:1/token", good)
	if err != nil {
		t.Fatal(err)
	}
	if err := nobody.Tell(t.Context(), "id", []byte("{}")); err == nil ||
		strings.Contains(err.Error(), "token") {
		t.Errorf("error %v, want one without the URL", err)
	}
}

// secretOf is a secret of n bytes, as WEBHOOK_SECRET has it.
func secretOf(n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, n))
}
