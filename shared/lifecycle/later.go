package lifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// Later starts a part in the background as soon as the servers that it needs let it. The rest of
// the service is up before that.
type Later struct {
	name    string
	started atomic.Bool
	stop    func()
}

// StartLater calls start until it succeeds or GiveUp is called.
func StartLater(ctx context.Context, log *slog.Logger, name string, start func() error) *Later {
	l := &Later{name: name}
	l.stop = Background(ctx, func(ctx context.Context) {
		err := Until(ctx, log, name, func(context.Context) error { return start() })
		l.started.Store(err == nil)
	})
	return l
}

// Started returns nil once the part has started; it is a readiness check.
func (l *Later) Started(context.Context) error {
	if !l.started.Load() {
		return fmt.Errorf("%s has not started", l.name)
	}
	return nil
}

// GiveUp ends the attempts and waits for the last one. It does not stop the part.
func (l *Later) GiveUp() { l.stop() }
