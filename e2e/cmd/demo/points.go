package main

import (
	"context"
	"fmt"
	"slices"

	"settlement/e2e/client"
)

// collected is how many orders the customer who collects points has paid.
const collected = 1

// collectPoints lets a customer register, pay an order and misbehave. Set and add do not commute:
// only in their sequence do they come to 10, 12, 9.
func (p *plan) collectPoints(ctx context.Context) error {
	who, err := p.api.Register(ctx, key(), "Li Lei")
	if err != nil {
		return err
	}
	order, err := p.api.CreateOrder(ctx, key(), who.ID, p.wallets[0], cny(orderMinor))
	if err != nil {
		return err
	}
	if _, err := p.api.Settle(ctx, key(), order.ID); err != nil {
		return err
	}
	p.accepted++

	err = until(ctx, func(ctx context.Context) error {
		now, err := p.api.Order(ctx, order.ID)
		if err == nil && now.Status != "paid" {
			err = fmt.Errorf("order %s is %s", order.ID, now.Status)
		}
		return err
	})
	if err != nil {
		return err
	}

	if err := p.api.Misconduct(ctx, key(), who.ID); err != nil {
		return err
	}
	var points client.Points
	err = until(ctx, func(ctx context.Context) (err error) {
		if points, err = p.api.Points(ctx, who.ID); err == nil && points.Seq < 3 {
			err = fmt.Errorf("%d of 3 changes of points have taken effect", points.Seq)
		}
		return err
	})
	if err != nil {
		return err
	}

	for _, c := range slices.Backward(points.History) {
		p.points = append(p.points, c.Points)
	}
	say("A customer has registered, paid an order and misbehaved. Points, one after the other: 0, then %v.",
		p.points)
	return nil
}

// lastPoints is the customer's points at the end, or -1 when the numbers before are not the
// expected ones.
func (p *plan) lastPoints() int64 {
	if len(p.points) != 3 || p.points[0] != 10 || p.points[1] != 12 {
		return -1
	}
	return p.points[2]
}
