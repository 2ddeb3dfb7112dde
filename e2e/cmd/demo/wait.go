package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"settlement/e2e/checker"
	"settlement/e2e/traffic"
)

const (
	// settleLimit is how long the orders may take, payment-service's restart included.
	settleLimit  = 90 * time.Second
	pollInterval = 200 * time.Millisecond
	sayInterval  = 3 * time.Second
)

// until calls condition until it returns nil, and prints now and then what is missing.
func until(ctx context.Context, condition func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()

	said := time.Now()
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		if time.Since(said) > sayInterval {
			say("  … %v", err)
			said = time.Now()
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", settleLimit, err)
		case <-time.After(pollInterval):
		}
	}
}

// underWay counts the orders that wait for an outcome.
func (p *plan) underWay(ctx context.Context) (n int, err error) {
	for _, o := range p.orders {
		now, err := p.api.Order(ctx, o.ID)
		if err != nil {
			return 0, err
		}
		if slices.Contains([]string{"settling", "cancelling", "refunding"}, now.Status) {
			n++
		}
	}
	return n, nil
}

func (p *plan) awaitFirstOutcome(ctx context.Context) error {
	return until(ctx, func(ctx context.Context) error {
		for _, o := range p.orders {
			now, err := p.api.Order(ctx, o.ID)
			if err != nil {
				return err
			}
			if now.Status == "paid" {
				return nil
			}
		}
		return errors.New("no order is paid yet")
	})
}

func (p *plan) awaitOutcomes(ctx context.Context) error {
	err := until(ctx, func(ctx context.Context) error {
		n, err := p.underWay(ctx)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d of %d orders wait for their outcome", n, len(p.orders))
		}
		return err
	})
	if err == nil {
		say("Every order has its outcome.")
	}
	return err
}

// repeatOldest publishes the very first messages once more, behind everything that
// happened to their orders since.
func (p *plan) repeatOldest(ctx context.Context) error {
	const old, copies = 10, 2
	seen, err := p.repeater.Seen()
	if err != nil {
		return err
	}
	for _, d := range seen[:min(old, len(seen))] {
		if err := p.repeater.Publish(ctx, d, copies); err != nil {
			return err
		}
	}

	say("Published the %d oldest messages %d times more, long after they were settled.", old, copies)
	return nil
}

// awaitQuiet returns when every message was acknowledged and every outbox is empty.
func (p *plan) awaitQuiet(ctx context.Context) error {
	return until(ctx, func(ctx context.Context) error {
		if err := traffic.Quiet(ctx, p.admin); err != nil {
			return err
		}
		violations, err := p.check.Check(ctx)
		if err == nil && len(violations) > 0 && violations[0].Invariant == checker.Lost {
			err = errors.New(violations[0].String())
		}
		return err
	})
}
