package lifecycle

import (
	"context"
	"sync"
)

// Background runs a part in the background. The returned function ends the part and waits until it
// has ended. The part outlives ctx: parts are stopped one after the other, not all when the signal
// comes.
func Background(ctx context.Context, run func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var part sync.WaitGroup
	part.Go(func() { run(ctx) })
	return func() { cancel(); part.Wait() }
}
