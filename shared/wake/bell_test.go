package wake_test

import (
	"context"
	"testing"
	"time"

	"settlement/shared/wake"
)

func TestABellIsHeardOnce(t *testing.T) {
	b, ctx := wake.NewBell(), t.Context()
	b.Ring()
	b.Ring()
	began := time.Now()
	b.Wait(ctx, time.Hour) // rung before
	b.Wait(ctx, 20*time.Millisecond)
	if took := time.Since(began); took < 20*time.Millisecond || took > time.Minute {
		t.Errorf("two waits took %s: the first had to be rung, the second not", took)
	}

	ended, cancel := context.WithCancel(ctx)
	cancel()
	b.Wait(ended, time.Hour)
	wake.Pause(ended, time.Hour)
	time.AfterFunc(20*time.Millisecond, b.Ring)
	b.Wait(ctx, time.Hour)
}
