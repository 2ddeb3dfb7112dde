package cases

import (
	"context"
	"path/filepath"

	"settlement/e2e/overlay"
)

// buildClockOff builds payment-service with a clock that is 10 minutes ahead. A Go program reads
// the clock from the kernel by itself, so nothing between the two can shift it: the build changes
// time.Now.
func buildClockOff(ctx context.Context, dir string) error {
	library, err := overlay.StandardLibrary(ctx)
	if err != nil {
		return err
	}
	if err := overlay.Build(ctx, dir, nil, "./order-service"); err != nil {
		return err
	}
	return overlay.Build(ctx, dir, []overlay.Edit{{
		File:    filepath.Join(library, "time", "time.go"),
		Find:    "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n",
		Replace: "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tsec += 600\n",
	}}, "./payment-service")
}

// clockOff has customers buy. The recorded times are wrong, and nothing else may be.
func clockOff(ctx context.Context, p *Play) (int64, error) {
	if err := p.accepts(ctx, 100); err != nil {
		return 0, err
	}
	ahead, err := count(ctx, p.books,
		"SELECT COUNT(*) FROM payment_numbers WHERE created_at > UTC_TIMESTAMP() + INTERVAL 9 MINUTE")
	if err != nil {
		return 0, err
	}
	return ahead, p.had(ahead, 1, "payment numbers of a time that has not come")
}
