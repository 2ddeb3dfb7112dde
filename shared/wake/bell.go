// Package wake lets a loop that looks for work sleep until there is some. The bell is rung by the
// part that has made work; after a while the loop looks anyway, for work that other instances have
// made.
package wake

import (
	"context"
	"time"
)

// Bell wakes one loop. It is safe for concurrent use.
type Bell struct{ rung chan struct{} }

// NewBell makes a bell.
func NewBell() Bell { return Bell{rung: make(chan struct{}, 1)} }

// Ring ends the Wait under way, or else the next one. It never blocks. Ring after the commit of the
// work, not before.
func (b Bell) Ring() {
	select {
	case b.rung <- struct{}{}:
	default: // a ring that was not heard yet covers this one too
	}
}

// Wait returns when the bell is rung, after d, or when ctx ends.
func (b Bell) Wait(ctx context.Context, d time.Duration) { wait(ctx, d, b.rung) }

// Pause returns after d, or when ctx ends.
func Pause(ctx context.Context, d time.Duration) { wait(ctx, d, nil) }

func wait(ctx context.Context, d time.Duration, rung <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-rung:
	}
}
