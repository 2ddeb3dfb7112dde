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
		Title: Text{
			EN: "The broker is killed under load and starts again: sends without an answer go out again, batches come again.",
			ZH: "broker 在负载下被杀后重启：没有应答的再发，批次重来。",
		},
		Then: Text{
			EN: "what it confirmed is on disk; the rest is sent again",
			ZH: "它确认过的都已落盘；其余的会重发",
		},
		run: serverKilled(stack.Broker,
			func(p *Play) int64 { return p.Order.MQ.MissedBroker() + p.Payment.MQ.MissedBroker() }),
	},
	{
		Name: "broker-frozen", From: fromBroker,
		Title: Text{
			EN: "The broker is frozen for 40 s: longer than any client waits and than its locks live.",
			ZH: "broker 被冻住 40 s：比任何客户端的等待和它的锁都久。",
		},
		Then: Text{
			EN: "sends and locks time out; everything comes again and is absorbed",
			ZH: "发送和锁都超时；一切重来，并被去重",
		},
		run: brokerFrozen,
	},
	{
		Name: "namesrv-away", From: fromBroker,
		Title: Text{
			EN: "The name server is away for 30 s while everything runs.",
			ZH: "运行中 NameServer 离线 30 s。",
		},
		Then: Text{
			EN: "running clients go on without it; a start waits for it",
			ZH: "运行中的客户端照常工作；启动会等它",
		},
		run: namesrvAway,
	},
	{
		Name: "namesrv-away-at-start", From: fromBroker,
		Title: Text{
			EN: "payment-service starts while the name server is away.",
			ZH: "payment-service 启动时 NameServer 不在。",
		},
		Then: Text{
			EN: "running clients go on without it; a start waits for it",
			ZH: "运行中的客户端照常工作；启动会等它",
		},
		run: namesrvAwayAtStart,
	},
	{
		Name: "lock-answers-lost", From: fromBroker,
		Title: Text{
			EN: "The broker locks queues for payment-service, and the answers are lost for 45 s.",
			ZH: "broker 给 payment-service 的队列加了锁，但应答丢了 45 s。",
		},
		Then: Text{
			EN: "the queue waits for the next one",
			ZH: "队列等下一次加锁",
		},
		run: lockAnswersLost,
	},
	{
		Name: "offsets-reset", From: fromBroker,
		Title: Text{
			EN: "The offsets of payment-service are set back to the beginning: every settlement message ever sent comes again.",
			ZH: "payment-service 的消费位点被重置到最开头：发过的结算消息全部重来。",
		},
		Then: Text{
			EN: "every message comes again, not one new debit",
			ZH: "每条消息都重来一遍，没有一笔新扣款",
		},
		run: offsetsReset(settlements),
	},
	{
		Name: "outcome-offsets-reset", From: fromBroker,
		Title: Text{
			EN: "The offsets of order-service are set back: every outcome comes again.",
			ZH: "order-service 的消费位点被重置：每个结果都重来。",
		},
		Then: Text{
			EN: "every message comes again, not one new debit",
			ZH: "每条消息都重来一遍，没有一笔新扣款",
		},
		run: offsetsReset(outcomes),
	},
	{
		Name: "group-started-late", From: fromBroker,
		Title: Text{
			EN: "payment-service's group is forgotten by the broker; it starts as a new one with messages waiting.",
			ZH: "broker 忘掉 payment-service 的消费组；它作为新组启动，消息已在等着。",
		},
		Then: Text{
			EN: "it begins with the oldest message",
			ZH: "从最早的一条开始消费",
		},
		run: groupStartedLate,
	},
	{
		Name: "broker-store-lost", From: fromBroker, alone: true, strangers: true,
		Title: Text{
			EN: "The broker is killed under load, and comes back without anything that it had stored.",
			ZH: "broker 在负载下被杀，回来时存下的一切都没了。",
		},
		Then: Text{
			EN: "a group whose offset is beyond the end begins with the oldest message, and nothing is committed beyond it",
			ZH: "位点超出队列末端的消费组从最早的消息重新开始，绝不提交到末端之后",
		},
		Tests: []string{
			"shared/rocketmq/loss_test.go:TestATopicMadeAnewIsConsumedFromItsBeginning",
		},
		run: storeLost,
	},
	{
		Name: "topic-made-anew", From: fromBroker,
		Title: Text{
			EN: "The topics of instructions and outcomes are deleted and created again under load.",
			ZH: "负载下，指令和结果的 topic 被删除后重建。",
		},
		Then: Text{
			EN: "a group whose offset is beyond the end begins with the oldest message, and nothing is committed beyond it",
			ZH: "位点超出队列末端的消费组从最早的消息重新开始，绝不提交到末端之后",
		},
		run: topicMadeAnew,
	},
	{
		Name: "retention-passed", From: fromBroker, alone: true, strangers: true,
		Title: Text{
			EN: "payment-service is away until the broker has deleted instructions that wait for it.",
			ZH: "payment-service 一直不在，直到 broker 删掉了等它的指令。",
		},
		Then: Text{
			EN: "an Error says which; the group goes on with the oldest that is there",
			ZH: "用 Error 日志说明是哪些；消费组从现存最早的一条继续",
		},
		run: retentionPassed,
	},
}

// frozen pauses a server for d, and returns when its standstill began and when it ended.
func (p *Play) frozen(ctx context.Context, name string, d time.Duration) (began, ended time.Time, err error) {
	server, err := p.Server(name)
	if err != nil {
		return began, ended, err
	}

	p.broken.Add(1)
	p.note("freezing " + name)
	if err := p.power.Do(server.Pause); err != nil {
		return began, ended, err
	}
	began = time.Now()
	err = p.lasts(ctx, d)
	p.note("waking " + name)
	return began, time.Now(), errors.Join(err, server.Resume())
}

func brokerFrozen(ctx context.Context, p *Play) (int64, error) {
	const d = 40 * time.Second // longer than any client waits and than the broker's locks live
	began, ended, err := p.frozen(ctx, stack.Broker, d)
	if err != nil {
		return 0, err
	}
	now := func(ctx context.Context) (int64, error) { return p.storedLate(ctx, began, ended) }
	_, err = p.came(ctx, &effect{
		what: "instructions accepted meanwhile and stored afterwards", least: 10, now: now,
	})
	return 1, err
}

// lockAnswersLost loses the answers for 45 s. A client relies on a lock for 30 s after the last
// answer (it renews every 20 s), so even a lock that was renewed right before the fault has expired
// after 30 s: all queues stand still in the last 10 s.
func lockAnswersLost(ctx context.Context, p *Play) (int64, error) {
	const lasts, stands = 45 * time.Second, 10 * time.Second
	lost := &faults.FrameRule{
		Codes: []int{faults.LockQueues}, Group: settlement.GroupPayment, Do: faults.DropAnswer,
	}
	p.Payment.MQ.Add(lost)
	err := p.lasts(ctx, lasts)
	ended := time.Now()
	if err != nil {
		return lost.Fired(), err
	}
	p.Payment.MQ.Clear()

	now := func(ctx context.Context) (int64, error) { return p.heldBack(ctx, ended.Add(-stands), ended) }
	_, err = p.came(ctx, &effect{
		what: "instructions that came while no queue was locked and were decided afterwards", least: 5,
		now: now,
	})
	return lost.Fired(), err
}

func namesrvAway(ctx context.Context, p *Play) (int64, error) {
	server, err := p.Server(stack.Namesrv)
	if err != nil {
		return 0, err
	}

	missed := func(context.Context) (int64, error) {
		return p.Order.MQ.MissedNamesrv() + p.Payment.MQ.MissedNamesrv(), nil
	}
	return p.with(ctx, 1, "connections that found no name server", missed, func() (int64, error) {
		if err := p.killServer(server); err != nil {
			return 0, err
		}
		if err := p.lasts(ctx, 30*time.Second); err != nil {
			return 1, err
		}
		return 1, server.Start(ctx)
	})
}

func namesrvAwayAtStart(ctx context.Context, p *Play) (int64, error) {
	server, err := p.Server(stack.Namesrv)
	if err != nil {
		return 0, err
	}
	if err := p.stop(ctx, p.Payment); err != nil {
		return 0, err
	}

	missed := func(context.Context) (int64, error) { return p.Payment.MQ.MissedNamesrv(), nil }
	alone, err := p.expects(ctx, 1, "connections that found no name server", missed)
	if err != nil {
		return 0, err
	}

	if err := p.killServer(server); err != nil {
		return 0, err
	}
	if err := p.Payment.Service.Start(ctx); err != nil {
		return 0, err
	}
	if err := p.lasts(ctx, 10*time.Second); err != nil {
		return 1, err
	}
	if !p.Payment.Service.Running() {
		return 1, fmt.Errorf("payment-service gave up while the name server was away; its log ends with:\n%s",
			p.Payment.Service.LogTail(5))
	}

	if err := server.Start(ctx); err != nil {
		return 1, err
	}
	if _, err := p.came(ctx, alone); err != nil {
		return 1, err
	}
	return 1, p.Payment.Service.WaitReady(ctx)
}

// offsetsReset sets the offsets of a group back to where the topic begins, while the group's
// service is stopped, as operators do it. It counts the messages that come again.
func offsetsReset(l line) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		return p.comesAgain(ctx, l, "resetting offsets", 0, func() error {
			out, err := p.MQAdmin(ctx, "resetOffsetByTime", "-g", l.group, "-t", l.topic, "-s", "0")
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
	}
}

func groupStartedLate(ctx context.Context, p *Play) (int64, error) {
	const waiting = 50
	return p.comesAgain(ctx, settlements, "deleting the group", waiting, func() error {
		out, err := p.MQAdmin(ctx, "deleteSubGroup", "-g", settlement.GroupPayment,
			"-b", p.BrokerAddr, "-r", "true")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

// comesAgain stops a group's service, has forget erase or reset the offsets that the group has
// committed, starts the service and counts the messages that come again. While the service is
// stopped, as many further instructions are accepted as waiting says.
func (p *Play) comesAgain(
	ctx context.Context, l line, doing string, waiting int64, forget func() error,
) (int64, error) {
	const least = 50
	side := l.consumer(p)
	if err := p.accepts(ctx, least); err != nil {
		return 0, err
	}

	if err := p.stop(ctx, side); err != nil {
		return 0, err
	}
	if waiting > 0 {
		if err := p.accepts(ctx, waiting); err != nil {
			return 0, err
		}
	}

	again, err := p.expects(ctx, least, againTo(l.group), fetchedAgain(l.group)(p))
	if err != nil {
		return 0, err
	}

	p.note(doing)
	if err := p.power.Do(forget); err != nil {
		return 0, err
	}
	if err := p.restart(ctx, side); err != nil {
		return 0, err
	}
	return p.came(ctx, again)
}
