package cases

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"settlement/e2e/checker"
	"settlement/e2e/client"
	"settlement/e2e/faults"
)

var clientCases = []Case{
	{
		Name: "settle-response-lost", From: fromClient,
		Title: Text{
			EN: "Every second answer to a settle is lost on its way back, and the client asks again with its key.",
			ZH: "结算请求的应答每两个丢一个，客户端用同一个 key 再请求。",
		},
		Then: Text{
			EN: "it asks again with the same key and gets the first answer",
			ZH: "用同一个 key 再请求，拿到第一次的应答",
		},
		run: showing(15, "instructions answered that the client had to ask for again", askedAgain,
			func(ctx context.Context, p *Play) (int64, error) {
				before := p.answers.Fired()
				p.answers.Lose("/settle", 2)
				defer p.answers.Lose("", 0)
				fired, err := p.fires(ctx, p.answers, before+45)
				return fired - before, err
			}),
	},
	{
		Name: "one-key-fifty-posts", From: fromClient,
		Title: Text{
			EN: "Fifty requests with one key arrive at the same time.",
			ZH: "同一个 key 的五十个请求同时到达。",
		},
		Then: Text{
			EN: "one instruction; each request gets the same answer",
			ZH: "只有一条指令；每个请求得到相同的应答",
		},
		run: fiftyPosts,
	},
	{
		Name: "same-key-other-body", From: fromClient,
		Title: Text{
			EN: "A key comes again with another request behind it.",
			ZH: "同一个 key 换了请求内容再来。",
		},
		Then: Text{
			EN: "422, nothing changes",
			ZH: "返回 422，什么都不变",
		},
		run: otherBody,
	},
	{
		Name: "order-service-killed-before-commit", From: fromClient,
		Title: Text{
			EN: "order-service dies before it commits an instruction; the client never gets an answer and asks again.",
			ZH: "order-service 在提交指令之前崩溃；客户端等不到应答，再请求一次。",
		},
		Then: Text{
			EN: "no order change, no outbox row: nothing was accepted, and the client asks again",
			ZH: "订单没改，发件箱没有记录：等于没有受理，客户端会再次请求",
		},
		run: killedAccepting(faults.BeforeCommit),
	},
	{
		Name: "order-service-killed-after-commit", From: fromClient,
		Title: Text{
			EN: "order-service dies after it committed an instruction and before it answered; the client asks again.",
			ZH: "order-service 在提交指令之后、应答之前崩溃；客户端再请求一次。",
		},
		Then: Text{
			EN: "the row is in the outbox and the relay of the next start sends it; the client asks again and gets the first answer",
			ZH: "记录已在发件箱里，下次启动后由 relay 发出；客户端再次请求，拿到第一次的应答",
		},
		run: killedAccepting(faults.AfterCommit),
	},
}

// killedAccepting kills order-service at a moment of the transaction that accepts an instruction.
func killedAccepting(at faults.SQLMoment) run {
	return showing(1, "instructions answered that the client had to ask for again", askedAgain,
		killedAt(orderSide, func(p *Play, then func()) {
			p.Order.DB.Add(&faults.SQLRule{
				Touching: acceptTx, Also: acceptKey, At: at, Skip: p.draw.IntN(10), Limit: 1, Do: faults.Cut,
				Then: then,
			})
		}))
}

func fiftyPosts(ctx context.Context, p *Play) (int64, error) {
	const orders, posts = 5, 50
	together := int64(0)
	for range orders {
		order, err := p.api.CreateOrder(ctx, key(), "customer", p.wallets[0], cny(100))
		if err != nil {
			return 0, err
		}

		click := key()
		answers := make([]client.Accepted, posts)
		group, inner := errgroup.WithContext(ctx)
		if !p.power.On() {
			group.SetLimit(1) // one after the other
		}
		for i := range answers {
			group.Go(func() (err error) {
				answers[i], err = p.api.Settle(inner, click, order.ID)
				// Taken for a second request. The comparison below sees it.
				if client.IsProblem(err, "order_not_settleable") {
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
				p.violated(checker.Violation{
					Invariant: checker.Key, What: "one key was given two answers", OrderID: order.ID,
					Row: fmt.Sprintf("%+v and %+v", answers[0], a),
				})
			}
		}
		together += p.beforeTheAnswer(click)
	}

	const least = orders * (posts - 1) / 2
	return orders * (posts - 1), p.had(together, least,
		"requests that came before the first with their key was answered")
}

// beforeTheAnswer counts the requests with a key that began before the first of them was answered.
func (p *Play) beforeTheAnswer(key string) (n int64) {
	var attempts []checker.Attempt
	for _, c := range p.history.Calls() {
		if c.Key == key {
			attempts = append(attempts, c.Attempts...)
		}
	}

	var answered time.Time
	for _, a := range attempts {
		if a.Outcome == checker.OK && (answered.IsZero() || a.Ended.Before(answered)) {
			answered = a.Ended
		}
	}

	// The first request began before its own answer anyway.
	for _, a := range attempts[min(1, len(attempts)):] {
		if a.Began.Before(answered) {
			n++
		}
	}
	return n
}

// otherBody sends keys again with other requests: the key of an order with another amount and with
// the settle of that order, and the key of a settle with the settle of another order, whose body is
// the same.
func otherBody(ctx context.Context, p *Play) (int64, error) {
	const rounds, each = 10, 3
	before := p.refusedKeys()
	for range rounds {
		click, settling := key(), key()
		first, err := p.api.CreateOrder(ctx, click, "customer", p.wallets[0], cny(100))
		if err != nil {
			return 0, err
		}
		second, err := p.api.CreateOrder(ctx, key(), "customer", p.wallets[0], cny(100))
		if err != nil {
			return 0, err
		}
		if _, err := p.api.Settle(ctx, settling, first.ID); err != nil {
			return 0, err
		}

		again := func() error {
			_, err := p.api.CreateOrder(ctx, click, "customer", p.wallets[0], cny(200))
			p.wantReused(first.ID, "another amount under the key of its order", err)
			_, err = p.api.Settle(ctx, click, first.ID)
			p.wantReused(first.ID, "a settle under the key of its order", err)
			_, err = p.api.Settle(ctx, settling, second.ID)
			p.wantReused(second.ID, "a settle under the key of another order's settle", err)
			return nil
		}
		if err := p.power.Do(again); err != nil {
			return 0, err
		}
	}

	return each * rounds, p.had(p.refusedKeys()-before, each*rounds, "requests refused because of their key")
}

// refusedKeys counts the answers that say that a key belongs to another request.
func (p *Play) refusedKeys() (n int64) {
	for _, c := range p.history.Calls() {
		for _, a := range c.Attempts {
			if a.Status == http.StatusUnprocessableEntity &&
				strings.Contains(string(a.Answer), "idempotency_key_reused") {
				n++
			}
		}
	}
	return n
}

// wantReused notes a violation unless the request was refused because its key belongs to another
// request.
func (p *Play) wantReused(order, request string, err error) {
	if !client.IsProblem(err, "idempotency_key_reused") {
		p.violated(checker.Violation{
			Invariant: checker.Key, What: "a key was answered that came with another request", OrderID: order,
			Row: fmt.Sprintf("%s: want idempotency_key_reused, got: %v", request, err),
		})
	}
}
