package lifecycle

import (
	"context"
	"sync"
)

// Background runs a part until the returned function ends it and has seen it end.
func Background(run func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var part sync.WaitGroup
	part.Go(func() { run(ctx) })
	return func() { cancel(); part.Wait() }
}
