package cases

import (
	"context"
	"errors"
	"time"
)

// endedWhileSuspended keeps payment-service from its database for longer than the interval at which
// it tells the broker its offsets, and then ends it. The batches that it has suspended must not be
// among what it has told the broker is done, nor may it tell so when it leaves.
func endedWhileSuspended(end func(p *Play, ctx context.Context, s *Side) error) run {
	const away = 12 * time.Second
	return showing(1, againTo(settlements.group), fetchedAgain(settlements.group),
		func(ctx context.Context, p *Play) (int64, error) {
			p.broken.Add(1)
			p.Payment.DB.Refuse()
			err := p.lasts(ctx, away)
			err = errors.Join(err, end(p, ctx, p.Payment))
			p.Payment.DB.Allow()
			return 1, errors.Join(err, p.restart(ctx, p.Payment))
		})
}
