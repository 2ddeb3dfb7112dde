package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"settlement/e2e/checker"
	"settlement/e2e/client"
	"settlement/e2e/stack"
	"settlement/e2e/stack/service"
	"settlement/e2e/traffic"
	"settlement/shared/money"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// The cast. Rich customers can pay all their orders; the poor one can pay poorPaid of
// the orders, whichever come first.
const (
	richCustomers = 5
	ordersEach    = 8
	richDeposit   = 1_000_00
	orderMinor    = 10_00
	poorDeposit   = 25_00
	poorPaid      = poorDeposit / orderMinor

	orders    = (richCustomers + 1) * ordersEach
	refunds   = 10
	parts     = 1 // further refunds, of partMinor
	partMinor = 3_00
	cancelled = 3 // orders whose refund is asked for while they are settling
	parked    = 1 // a further refund, which fails until an operator has repaired its wallet

	// instructions is the number of all instructions, except those that others give meanwhile.
	instructions = orders + refunds + parts + cancelled + parked + collected

	// meanwhileMax is how many orders other customers place at most while that refund is tried.
	// Their wallets can pay for each of them.
	meanwhileMax = 40

	workers     = 8
	repeatsMax  = 3
	repeatSeed  = 20261
	doubleClick = 4 // one order in 4 is settled with two clicks
)

// plan is the demo on its way.
type plan struct {
	stack     *stack.Stack
	api       *client.Client
	admin     *rocketmq.Admin
	check     *checker.Checker
	wallets   []string // the poor customer's is the last
	orders    []client.Order
	changed   []client.Order // the orders whose customers have changed their minds
	accepted  int            // instructions that got 202
	refused   int            // second clicks that got 409
	books     *sql.DB        // payments database
	broken    brokenWallet
	meanwhile int64   // orders that others placed while a refund failed
	points    []int64 // that the collecting customer has had, one after the other
	audited   int64   // records of the journal
	repeater  *traffic.Repeater
}

func newPlan(s *stack.Stack) (*plan, error) {
	admin, err := rocketmq.NewAdmin(s.NamesrvAddr)
	if err != nil {
		return nil, err
	}
	check, err := checker.Open(s.OrderDSN, s.PaymentDSN)
	if err != nil {
		return nil, errors.Join(err, admin.Close())
	}
	books, err := sql.Open("mysql", s.PaymentDSN)
	if err != nil {
		return nil, errors.Join(err, admin.Close())
	}
	return &plan{
		stack: s, api: client.New(s.OrderURL, s.PaymentURL, nil), admin: admin, check: check, books: books,
	}, nil
}

func (p *plan) close() error {
	p.check.Close()
	_ = p.books.Close()
	return p.admin.Close()
}

func (p *plan) play(ctx context.Context) (err error) {
	say("Publishing every settle message again, 0 to %d times, as a producer does that lost its answer.",
		repeatsMax)
	if p.repeater, err = traffic.NewRepeater(ctx, p.stack.NamesrvAddr,
		settlement.TopicSettlement, repeatsMax, repeatSeed); err != nil {
		return err
	}
	defer func() {
		if stopErr := p.repeater.Stop(); err == nil {
			err = stopErr
		}
	}()

	for _, step := range []func(context.Context) error{
		p.openWallets, p.collectPoints, p.placeOrders, p.settleWithARestart, p.awaitOutcomes, p.refundSome,
		p.awaitOutcomes, p.parkOne, p.replayIt, p.awaitOutcomes, p.repeatOldest, p.awaitQuiet, p.audit,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func key() string { return uuid.NewString() }

func cny(minor int64) money.Money { return money.Money{Currency: money.CNY, Minor: minor} }

func (p *plan) openWallets(ctx context.Context) error {
	for i := range richCustomers + 1 {
		amount := cny(richDeposit)
		if i == richCustomers {
			amount = cny(poorDeposit)
		}
		wallet, err := p.api.CreateAccount(ctx, key(), fmt.Sprintf("customer %d", i+1), money.CNY)
		if err != nil {
			return err
		}
		if err := p.api.Deposit(ctx, key(), wallet.ID, amount); err != nil {
			return err
		}
		p.wallets = append(p.wallets, wallet.ID)
	}

	say("Opened %d wallets with %s, and one with %s.", richCustomers, cny(richDeposit), cny(poorDeposit))
	return nil
}

func (p *plan) placeOrders(ctx context.Context) error {
	for range ordersEach {
		for i, wallet := range p.wallets {
			o, err := p.api.CreateOrder(ctx, key(), fmt.Sprintf("customer-%d", i+1), wallet, cny(orderMinor))
			if err != nil {
				return err
			}
			p.orders = append(p.orders, o)
		}
	}

	say("Placed %d orders of %s for %d customers; the poor one can pay %d of %d.", len(p.orders),
		cny(orderMinor), len(p.wallets), poorPaid, ordersEach)
	return nil
}

// settleWithARestart settles all orders side by side and restarts payment-service when
// the first of them are paid. Orders are accepted while it is away.
func (p *plan) settleWithARestart(ctx context.Context) error {
	say("Settling all of them, %d at a time; every %dth with a double click.", workers, doubleClick)
	half := len(p.orders) / 2
	if err := p.settle(ctx, p.orders[:half], 0); err != nil {
		return err
	}
	if err := p.awaitFirstOutcome(ctx); err != nil {
		return err
	}

	payment := p.stack.Service(service.Payment)
	say("Stopping payment-service while messages are in flight.")
	if err := payment.Stop(ctx); err != nil {
		return err
	}
	if err := p.settle(ctx, p.orders[half:], half); err != nil {
		return err
	}
	if err := p.cancel(ctx, p.orders[half:half+cancelled]); err != nil {
		return err
	}

	if err := payment.Start(ctx); err != nil {
		return err
	}
	if err := payment.WaitReady(ctx); err != nil {
		return err
	}

	say("payment-service is back. %d instructions accepted, %d second clicks refused.", p.accepted, p.refused)
	return nil
}

func (p *plan) settle(ctx context.Context, orders []client.Order, first int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)

	for i, o := range orders {
		clicks := 1
		if (first+i)%doubleClick == 0 {
			clicks = 2
		}
		p.refused += clicks - 1

		for range clicks {
			group.Go(func() error {
				_, err := p.api.Settle(ctx, key(), o.ID)
				if clicks == 2 && client.IsProblem(err, "order_not_settleable") {
					return nil
				}
				return err
			})
		}
		p.accepted++
	}
	return group.Wait()
}

// cancel asks for the refund of orders that are still settling. Their customers can pay.
func (p *plan) cancel(ctx context.Context, orders []client.Order) error {
	p.changed = orders
	for _, o := range orders {
		if _, err := p.api.Refund(ctx, key(), o.ID); err != nil {
			return err
		}
		p.accepted++
	}
	say("%d customers have changed their minds: each refund waits its turn behind a settle that nobody has looked at yet.",
		len(orders))
	return nil
}

// refundSome refunds paid orders, the last of them in part.
func (p *plan) refundSome(ctx context.Context) error {
	done := 0
	for _, o := range p.orders {
		if done == refunds+parts {
			break
		}
		now, err := p.api.Order(ctx, o.ID)
		if err != nil {
			return err
		}
		if now.Status != "paid" || now.AccountID == p.wallets[richCustomers] {
			continue
		}

		if done < refunds {
			_, err = p.api.Refund(ctx, key(), o.ID)
		} else {
			_, err = p.api.RefundPart(ctx, key(), o.ID, cny(partMinor))
		}
		if err != nil {
			return err
		}
		done++
	}

	p.accepted += done
	say("Refunding %d paid orders, and %s of one more.", refunds, cny(partMinor))
	return nil
}
