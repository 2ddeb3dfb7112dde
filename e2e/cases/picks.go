package cases

import (
	"context"
	"fmt"

	"settlement/e2e/faults"
	"settlement/shared/settlement"
)

// What the transactions of the two services can be told by.
const (
	acceptTx  = "INSERT INTO `outbox`"          // in order-service: an instruction is accepted
	settleTx  = "INSERT INTO `payment_numbers`" // in payment-service: a batch of instructions is decided
	entriesTx = "INSERT INTO `entries`"         // in payment-service: money is moved
	triesTx   = "INSERT INTO delivery_attempts" // in payment-service: a failed try is counted
	parkTx    = "INSERT INTO `parked_messages`" // in payment-service: a message is parked
	applyTx   = "INSERT INTO `payments`"        // in order-service: a batch of outcomes is applied
)

// Requests that clients of the broker make.
var sends = []int{faults.SendMessage, faults.SendMessageV2, faults.SendBatch}

// line is a topic with the service that sends on it and the one that consumes it. What is tried on settlements
// is tried on outcomes too.
type line struct {
	topic, group       string
	producer, consumer func(*Play) *Side
	consumeTx          string
}

func orderSide(p *Play) *Side   { return p.Order }
func paymentSide(p *Play) *Side { return p.Payment }

var (
	settlements = line{settlement.TopicSettlement, settlement.GroupPayment, orderSide, paymentSide, settleTx}
	outcomes    = line{settlement.TopicOutcome, settlement.GroupOrder, paymentSide, orderSide, applyTx}
)

// run is what a case does.
type run = func(ctx context.Context, p *Play) (int64, error)

// killedAt kills a service at a moment that one of its proxies sees, and starts it again. arm adds the rule.
func killedAt(side func(*Play) *Side, arm func(p *Play, then func())) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		s := side(p)
		m := newMoment(s.Service.Kill)
		arm(p, m.then)
		p.note("waiting for the moment to kill " + s.Service.Name)
		if err := m.wait(ctx); err != nil {
			return 0, fmt.Errorf("kill %s: %w", s.Service.Name, err)
		}
		s.clear()
		return 1, p.restart(ctx, s)
	}
}

// killedAtSQL kills a service at a moment of one of its transactions.
func killedAtSQL(side func(*Play) *Side, touching string, at faults.SQLMoment) run {
	return killedAt(side, func(p *Play, then func()) {
		side(p).DB.Add(&faults.SQLRule{Touching: touching, At: at, Skip: p.draw.IntN(10), Limit: 1, Do: faults.Cut, Then: then})
	})
}

// framesBroken has a rule act on frames between a service and the broker until it has fired n times.
func framesBroken(side func(*Play) *Side, n int64, rule func(p *Play) *faults.FrameRule) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		r := rule(p)
		side(p).MQ.Add(r)
		return p.fires(ctx, r, n)
	}
}

// statementsBroken has a rule act on statements between a service and its database until it has fired n times.
func statementsBroken(side func(*Play) *Side, n int64, rule func(p *Play) *faults.SQLRule) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		r := rule(p)
		side(p).DB.Add(r)
		return p.fires(ctx, r, n)
	}
}

// serverKilled kills a server under load and starts it again.
func serverKilled(name string) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		server, err := p.Server(name)
		if err != nil {
			return 0, err
		}
		if err := server.Kill(); err != nil {
			return 0, err
		}
		return 1, server.Start(ctx)
	}
}
