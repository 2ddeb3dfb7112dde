package cases

import (
	"context"
	"errors"
	"fmt"
	"time"

	"settlement/e2e/faults"
	"settlement/e2e/stack"
	"settlement/e2e/wait"
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

// storeLost is a disk that is gone: topics are made anew as a stack's start makes them. The journal is on it too, which
// the auditor has to say; what it has read before is in its own database.
func storeLost(ctx context.Context, p *Play) (int64, error) {
	broker, err := p.Server(stack.Broker)
	if err != nil {
		return 0, err
	}
	if err := p.accepts(ctx, 50); err != nil {
		return 0, err
	}
	if printed, err := p.Payment.Service.Exec(ctx, "audit"); err != nil {
		return 0, fmt.Errorf("audit before the fault: %w: %s", err, printed)
	}

	if err := broker.Kill(); err != nil {
		return 0, err
	}
	lost, err := p.remember(settlement.TopicSettlement, settlement.TopicOutcome, settlement.TopicPoints, settlement.TopicJournal)
	if err != nil {
		return 0, err
	}
	p.journalLost = true
	p.note(fmt.Sprintf("losing %d messages", lost))
	if err := broker.LoseStore(); err != nil {
		return 0, err
	}
	if err := errors.Join(broker.Start(ctx), p.CreateTopics(ctx)); err != nil {
		return 0, err
	}
	return lost, p.flowsAgain(ctx)
}

// topicMadeAnew leaves the journal alone.
func topicMadeAnew(ctx context.Context, p *Play) (int64, error) {
	if err := p.accepts(ctx, 50); err != nil {
		return 0, err
	}
	topics := []string{settlement.TopicSettlement, settlement.TopicOutcome}
	for _, topic := range topics {
		p.note("deleting topic " + topic)
		if err := p.DeleteTopic(ctx, topic); err != nil {
			return 0, err
		}
	}
	lost, err := p.remember(topics...)
	if err != nil {
		return 0, err
	}
	if err := p.CreateTopics(ctx); err != nil {
		return 0, err
	}
	return lost, p.flowsAgain(ctx)
}

// flowsAgain waits until new instructions and their outcomes were consumed, and the groups' offsets are within what the
// broker has.
func (p *Play) flowsAgain(ctx context.Context) error {
	if err := p.accepts(ctx, 50); err != nil {
		return err
	}
	p.note("waiting for the groups to follow")
	return wait.For(ctx, momentLimit, func(ctx context.Context) error {
		for topic, group := range map[string]string{
			settlement.TopicSettlement: settlement.GroupPayment, settlement.TopicOutcome: settlement.GroupOrder,
		} {
			queues, err := p.admin.Lag(ctx, topic, group)
			if err != nil {
				return err
			}
			moved := false
			for _, q := range queues {
				moved = moved || q.Committed > 0
				if q.Committed > q.Max {
					return fmt.Errorf("topic %s queue %d: offset %d is committed, and it ends at %d", topic, q.Queue, q.Committed, q.Max)
				}
			}
			if !moved {
				return fmt.Errorf("nothing of topic %s was consumed yet", topic)
			}
		}
		return nil
	})
}
