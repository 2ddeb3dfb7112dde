package cases

import (
	"context"
	"errors"
	"fmt"
	"time"

	"settlement/e2e/faults"
	"settlement/e2e/stack"
	"settlement/shared/settlement"
)

var brokerCases = []Case{
	{
		Name: "broker-killed", From: fromBroker,
		Title: "The broker is killed under load and starts again: sends without an answer go out again, batches come again.",
		run:   serverKilled(stack.Broker),
	},
	{
		Name: "broker-frozen", From: fromBroker,
		Title: "The broker is frozen for 40 s: longer than any client waits and than its locks live.",
		run:   frozen(stack.Broker, 40*time.Second),
	},
	{
		Name: "namesrv-away", From: fromBroker,
		Title: "The name server is away for 30 s while everything runs.",
		run:   namesrvAway,
	},
	{
		Name: "namesrv-away-at-start", From: fromBroker,
		Title: "payment-service starts while the name server is away.",
		run:   namesrvAwayAtStart,
	},
	{
		Name: "lock-answers-lost", From: fromBroker,
		Title: "The broker locks queues for payment-service, and the answers are lost for 25 s.",
		run: func(ctx context.Context, p *Play) (int64, error) {
			lost := &faults.FrameRule{Codes: []int{faults.LockQueues}, Group: settlement.GroupPayment, Do: faults.DropAnswer}
			p.Payment.MQ.Add(lost)
			err := p.lasts(ctx, 25*time.Second)
			return lost.Fired(), err
		},
	},
	{
		Name: "offsets-reset", From: fromBroker,
		Title: "The offsets of payment-service are set back to the beginning: every settlement message ever sent comes again.",
		run:   offsetsReset(settlements),
	},
	{
		Name: "outcome-offsets-reset", From: fromBroker,
		Title: "The offsets of order-service are set back: every outcome comes again.",
		run:   offsetsReset(outcomes),
	},
	{
		Name: "group-started-late", From: fromBroker,
		Title: "payment-service's group is forgotten by the broker; it starts as a new one with messages waiting.",
		run:   groupStartedLate,
	},
	{
		Name: "broker-store-lost", From: fromBroker, alone: true, strangers: true,
		Title: "The broker is killed under load, and comes back without anything that it had stored.",
		run:   storeLost,
	},
	{
		Name: "topic-made-anew", From: fromBroker,
		Title: "The topics of instructions and outcomes are deleted and created again under load.",
		run:   topicMadeAnew,
	},
	{
		Name: "retention-passed", From: fromBroker, alone: true, strangers: true,
		Title: "payment-service is away until the broker has deleted instructions that wait for it.",
		run:   retentionPassed,
	},
}

// frozen pauses a server.
func frozen(name string, d time.Duration) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		server, err := p.Server(name)
		if err != nil {
			return 0, err
		}
		if err := server.Pause(); err != nil {
			return 0, err
		}
		err = p.lasts(ctx, d)
		return 1, errors.Join(err, server.Resume())
	}
}

func namesrvAway(ctx context.Context, p *Play) (int64, error) {
	server, err := p.Server(stack.Namesrv)
	if err != nil {
		return 0, err
	}
	if err := server.Kill(); err != nil {
		return 0, err
	}
	if err := p.lasts(ctx, 30*time.Second); err != nil {
		return 1, err
	}
	return 1, server.Start(ctx)
}

func namesrvAwayAtStart(ctx context.Context, p *Play) (int64, error) {
	server, err := p.Server(stack.Namesrv)
	if err != nil {
		return 0, err
	}
	if err := p.Payment.Service.Stop(ctx); err != nil {
		return 0, err
	}
	if err := server.Kill(); err != nil {
		return 0, err
	}
	if err := p.Payment.Service.Start(ctx); err != nil {
		return 0, err
	}
	if err := p.lasts(ctx, 10*time.Second); err != nil {
		return 1, err
	}
	if !p.Payment.Service.Running() {
		return 1, fmt.Errorf("payment-service gave up while the name server was away; its log ends with:\n%s", p.Payment.Service.LogTail(5))
	}
	if err := server.Start(ctx); err != nil {
		return 1, err
	}
	return 1, p.Payment.Service.WaitReady(ctx)
}

// offsetsReset sets the offsets of a group to where the topic begins, while its service is stopped, as operators
// do it. It counts what came again.
func offsetsReset(l line) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		side := l.consumer(p)
		if err := p.accepts(ctx, 50); err != nil {
			return 0, err
		}
		if err := side.Service.Stop(ctx); err != nil {
			return 0, err
		}
		before := side.MQ.Fetched()[l.group].Again
		p.note("resetting offsets")
		if out, err := p.MQAdmin(ctx, "resetOffsetByTime", "-g", l.group, "-t", l.topic, "-s", "0"); err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
		if err := p.restart(ctx, side); err != nil {
			return 0, err
		}
		return p.fires(ctx, again{l.group, side, before}, 50)
	}
}

// again counts the messages that a group of a side was given again since a moment.
type again struct {
	group  string
	side   *Side
	before int64
}

func (a again) Fired() int64 { return a.side.MQ.Fetched()[a.group].Again - a.before }

func groupStartedLate(ctx context.Context, p *Play) (int64, error) {
	if err := p.accepts(ctx, 50); err != nil {
		return 0, err
	}
	if err := p.Payment.Service.Stop(ctx); err != nil {
		return 0, err
	}
	if err := p.accepts(ctx, 50); err != nil { // these wait for it
		return 0, err
	}
	before := p.Payment.MQ.Fetched()[settlement.GroupPayment].Again
	p.note("deleting the group")
	if out, err := p.MQAdmin(ctx, "deleteSubGroup", "-g", settlement.GroupPayment, "-b", p.BrokerAddr, "-r", "true"); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	if err := p.restart(ctx, p.Payment); err != nil {
		return 0, err
	}
	return p.fires(ctx, again{settlement.GroupPayment, p.Payment, before}, 50)
}
