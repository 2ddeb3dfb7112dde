package cases

import (
	"context"
	"errors"
	"fmt"

	"settlement/e2e/faults"
	"settlement/shared/settlement"
)

// The statements by which the services' transactions are recognised.
const (
	// acceptTx and acceptKey together mark the transaction in which order-service accepts an
	// instruction: an order is changed under an Idempotency-Key. A transaction that applies
	// outcomes has no key, a new order or customer is inserted, and misconduct changes no order.
	acceptTx  = "UPDATE `orders`"
	acceptKey = "INSERT INTO `idempotency_keys`"

	settleTx  = "INSERT INTO `payment_numbers`" // in payment-service: a batch of instructions is decided
	entriesTx = "INSERT INTO `entries`"         // in payment-service: money is moved
	triesTx   = "INSERT INTO delivery_attempts" // in payment-service: a failed try is counted
	parkTx    = "INSERT INTO `parked_messages`" // in payment-service: a message is parked
	applyTx   = "INSERT INTO `payments`"        // in order-service: a batch of outcomes is applied
)

// sends are the requests by which clients send messages to the broker.
var sends = []int{faults.SendMessage, faults.SendMessageV2, faults.SendBatch}

// line is a topic with the service that sends on it and the service that consumes it. A fault that
// is played on settlements can be played on outcomes too.
type line struct {
	topic, group       string
	producer, consumer func(*Play) *Side
	consumeTx          string
	repeats            func(p *Play) measure // repeats that the consumer has found by their payment number
}

func orderSide(p *Play) *Side   { return p.Order }
func paymentSide(p *Play) *Side { return p.Payment }

var (
	settlements = line{
		settlement.TopicSettlement, settlement.GroupPayment, orderSide, paymentSide, settleTx,
		metric(paymentSide, "settlement_instructions_total", `result="repeated"`),
	}
	outcomes = line{
		settlement.TopicOutcome, settlement.GroupOrder, paymentSide, orderSide, applyTx,
		metric(orderSide, "order_outcomes_total", `result="repeated"`),
	}
)

// run is what a case does.
type run = func(ctx context.Context, p *Play) (int64, error)

// killedAt kills a service at a moment that one of its proxies sees, and starts it again. arm adds
// the rule.
func killedAt(side func(*Play) *Side, arm func(p *Play, then func())) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		s := side(p)
		m := newMoment(func() error { return p.kill(s) })
		arm(p, m.then)
		p.note("waiting for the moment to kill " + s.Service.Name)
		if err := m.wait(ctx); err != nil {
			return 0, fmt.Errorf("kill %s: %w", s.Service.Name, err)
		}
		s.clear()
		return 1, p.restart(ctx, s)
	}
}

// killedAtSQL kills a service at a moment of one of its transactions. The messages that it held
// come again.
func killedAtSQL(l line, at faults.SQLMoment) run {
	return showing(1, againTo(l.group), fetchedAgain(l.group),
		killedAt(l.consumer, func(p *Play, then func()) {
			l.consumer(p).DB.Add(&faults.SQLRule{
				Touching: l.consumeTx, At: at, Skip: p.draw.IntN(10), Limit: 1, Do: faults.Cut, Then: then,
			})
		}))
}

// againTo and againOn name what fetchedAgain and storedAgain count.
func againTo(group string) string { return "messages given again to " + group }
func againOn(topic string) string { return "messages stored again on " + topic }

// framesBroken has a rule act on frames between a service and the broker until it has fired n
// times.
func framesBroken(side func(*Play) *Side, n int64, rule func(p *Play) *faults.FrameRule) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		r := rule(p)
		side(p).MQ.Add(r)
		return p.fires(ctx, r, n)
	}
}

// statementsBroken has a rule act on statements between a service and its database until it has
// fired n times.
func statementsBroken(side func(*Play) *Side, n int64, rule func(p *Play) *faults.SQLRule) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		r := rule(p)
		side(p).DB.Add(r)
		return p.fires(ctx, r, n)
	}
}

// serverKilled kills a server under load and starts it again. Clients come while it is away, and
// find no server.
func serverKilled(name string, missed func(p *Play) int64) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		server, err := p.Server(name)
		if err != nil {
			return 0, err
		}
		p.broken.Add(1)
		now := func(context.Context) (int64, error) { return missed(p), nil }
		return p.with(ctx, 1, "connections that found no "+name, now, func() (int64, error) {
			return 1, errors.Join(p.killServer(server), server.Start(ctx))
		})
	}
}
