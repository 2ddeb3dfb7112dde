package cases

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"settlement/e2e/checker"
	"settlement/e2e/client"
	"settlement/e2e/faults"
)

var clientCases = []Case{
	{
		Name: "settle-response-lost", From: fromClient,
		Title: "Every second answer to a settle is lost on its way back, and the client asks again with its key.",
		run: func(ctx context.Context, p *Play) (int64, error) {
			p.answers.Lose("/settle", 2)
			defer p.answers.Lose("", 0)
			return p.fires(ctx, p.answers, 20)
		},
	},
	{
		Name: "one-key-fifty-posts", From: fromClient,
		Title: "Fifty requests with one key arrive at the same time.",
		run:   fiftyPosts,
	},
	{
		Name: "same-key-other-body", From: fromClient,
		Title: "A key comes again with another request behind it.",
		run:   otherBody,
	},
	{
		Name: "order-service-killed-before-commit", From: fromClient,
		Title: "order-service dies before it commits an instruction; the client never gets an answer and asks again.",
		run:   killedAtSQL(orderSide, acceptTx, faults.BeforeCommit),
	},
	{
		Name: "order-service-killed-after-commit", From: fromClient,
		Title: "order-service dies after it committed an instruction and before it answered; the client asks again.",
		run:   killedAtSQL(orderSide, acceptTx, faults.AfterCommit),
	},
}

func fiftyPosts(ctx context.Context, p *Play) (int64, error) {
	const orders, posts = 5, 50
	for range orders {
		order, err := p.api.CreateOrder(ctx, key(), "customer", p.wallets[0], cny(100))
		if err != nil {
			return 0, err
		}
		click := key()
		answers := make([]client.Accepted, posts)
		group, inner := errgroup.WithContext(ctx)
		for i := range answers {
			group.Go(func() (err error) {
				answers[i], err = p.api.Settle(inner, click, order.ID)
				if client.IsProblem(err, "order_not_settleable") { // taken for a second request: seen below
					return nil
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return 0, err
		}
		for _, a := range answers {
			if a != answers[0] {
				p.violated(checker.Violation{Invariant: checker.Key, What: "one key was given two answers", OrderID: order.ID, Row: fmt.Sprintf("%+v and %+v", answers[0], a)})
			}
		}
	}
	return orders * (posts - 1), nil
}

func otherBody(ctx context.Context, p *Play) (int64, error) {
	const pairs = 10
	for range pairs {
		click := key()
		first, err := p.api.CreateOrder(ctx, click, "customer", p.wallets[0], cny(100))
		if err != nil {
			return 0, err
		}
		_, err = p.api.CreateOrder(ctx, click, "customer", p.wallets[0], cny(200))
		if !client.IsProblem(err, "idempotency_key_reused") {
			p.reused(first.ID, "another amount", err)
		}
		if _, err = p.api.Settle(ctx, click, first.ID); !client.IsProblem(err, "idempotency_key_reused") {
			p.reused(first.ID, "a settle", err)
		}
	}
	return 2 * pairs, nil
}

// reused notes that a key was taken for another request than its first one.
func (p *Play) reused(order, request string, err error) {
	p.violated(checker.Violation{
		Invariant: checker.Key, What: "a key was answered that came with another request", OrderID: order,
		Row: fmt.Sprintf("%s under the key of its order: want idempotency_key_reused, got: %v", request, err),
	})
}
