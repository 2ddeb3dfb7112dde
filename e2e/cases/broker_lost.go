package cases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"settlement/e2e/faults"
	"settlement/e2e/stack"
	"settlement/e2e/stack/servers"
	"settlement/e2e/traffic"
	"settlement/e2e/wait"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// allTopics are those of the contract.
var allTopics = []string{
	settlement.TopicSettlement, settlement.TopicOutcome, settlement.TopicPoints, settlement.TopicJournal,
}

// storeLost loses the broker's disk, and makes the topics anew as the start of a stack makes them.
// The journal is on that disk too, and the auditor has to say so. The records that it read before
// are in its own database.
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

	waiting, err := p.leaveWaiting(ctx)
	if err != nil {
		return 0, err
	}

	p.note(fmt.Sprintf("losing %d messages that nobody was given yet", waiting))
	err = p.losing(ctx, func() error {
		if err := broker.Kill(); err != nil {
			return err
		}
		if _, err := p.remember(allTopics...); err != nil {
			return err
		}
		p.journalLost = true
		if err := broker.LoseStore(); err != nil {
			return err
		}
		return errors.Join(broker.Start(ctx), p.CreateTopics(ctx))
	})
	if err != nil {
		return waiting, err
	}
	return waiting, p.flowsAgain(ctx)
}

// losing is with for a fault that loses messages of the topic of instructions.
func (p *Play) losing(ctx context.Context, lose func() error) error {
	_, err := p.with(ctx, 1, "messages of settlement that the broker had and has no more",
		p.forgotten(settlement.TopicSettlement), func() (int64, error) { return 0, p.power.Do(lose) })
	return err
}

// topicMadeAnew deletes the topics of instructions and outcomes and makes them anew. It leaves the
// journal alone.
func topicMadeAnew(ctx context.Context, p *Play) (int64, error) {
	if err := p.accepts(ctx, 50); err != nil {
		return 0, err
	}
	waiting, err := p.leaveWaiting(ctx)
	if err != nil {
		return 0, err
	}

	topics := []string{settlement.TopicSettlement, settlement.TopicOutcome}
	err = p.losing(ctx, func() error {
		for _, topic := range topics {
			p.note(fmt.Sprintf("deleting topic %s, of both %d messages were given to nobody yet",
				topic, waiting))
			if err := p.DeleteTopic(ctx, topic); err != nil {
				return err
			}
		}

		if _, err := p.remember(topics...); err != nil {
			return err
		}
		return p.CreateTopics(ctx)
	})
	if err != nil {
		return waiting, err
	}
	return waiting, p.flowsAgain(ctx)
}

// leaveWaiting drops the broker's answers to the pulls of both services until outcomes and
// instructions wait on the broker, and returns how many wait. The answers stay dropped until
// flowsAgain.
func (p *Play) leaveWaiting(ctx context.Context) (waiting int64, err error) {
	const each = 15
	if !p.power.On() { // no answer is dropped, so that none need wait
		return 0, nil
	}
	for _, l := range []line{outcomes, settlements} {
		side := l.consumer(p)
		side.MQ.Add(&faults.FrameRule{
			Codes: []int{faults.PullMessage}, Topic: l.topic, Do: faults.DropAnswer,
		})
		var lag int64
		err := wait.For(ctx, momentLimit, func(ctx context.Context) error {
			count, err := traffic.Read(ctx, p.admin, l.topic, l.group)
			if lag = count.Lag; err == nil && lag < each {
				err = fmt.Errorf("%d messages of %s wait, want %d", lag, l.topic, each)
			}
			return err
		})
		if err != nil {
			return 0, err
		}
		waiting += lag
	}
	return waiting, nil
}

// flowsAgain lets the answers through, and waits until new instructions and their outcomes are
// consumed and the groups' offsets are within what the broker has.
func (p *Play) flowsAgain(ctx context.Context) error {
	p.Order.MQ.Clear()
	p.Payment.MQ.Clear()
	if err := p.accepts(ctx, 50); err != nil {
		return err
	}

	p.note("waiting for the groups to follow")
	return wait.For(ctx, momentLimit, func(ctx context.Context) error {
		for topic, group := range map[string]string{
			settlement.TopicSettlement: settlement.GroupPayment,
			settlement.TopicOutcome:    settlement.GroupOrder,
		} {
			queues, err := p.admin.Lag(ctx, topic, group)
			if err != nil {
				return err
			}

			moved := false
			for _, q := range queues {
				moved = moved || q.Committed > 0
				if q.Committed > q.Max {
					return fmt.Errorf("topic %s queue %d: offset %d is committed, and it ends at %d",
						topic, q.Queue, q.Committed, q.Max)
				}
			}
			if !moved {
				return fmt.Errorf("nothing of topic %s was consumed yet", topic)
			}
		}
		return nil
	})
}

// expiryLimit is how long a broker takes to delete what has expired. It looks every 10 s, first for
// expired messages and then for the queue entries that point to them.
const expiryLimit = 60 * time.Second

// retentionPassed has the broker's log go on to its next file while payment-service is away, and
// the first file expire at once. The auditor has read the journal by then; an operator has to see
// to that.
func retentionPassed(ctx context.Context, p *Play) (expired int64, err error) {
	if err := p.accepts(ctx, 50); err != nil {
		return 0, err
	}
	if err := p.Payment.Service.Stop(ctx); err != nil {
		return 0, err
	}
	if printed, err := p.Payment.Service.Exec(ctx, "audit"); err != nil {
		return 0, fmt.Errorf("audit before the fault: %w: %s", err, printed)
	}

	if err := p.accepts(ctx, 50); err != nil { // these wait for payment-service
		return 0, err
	}
	err = p.losing(ctx, func() (err error) {
		expired, err = p.expire(ctx)
		return err
	})
	if err := errors.Join(err, p.restart(ctx, p.Payment)); err != nil {
		return expired, err
	}
	return expired, p.flowsAgain(ctx)
}

// expire has the messages of the broker's log expire that are in its first file, and returns how
// many of them payment-service was not given.
func (p *Play) expire(ctx context.Context) (expired int64, err error) {
	if err := p.fillLog(ctx); err != nil {
		return 0, err
	}
	if _, err := p.remember(allTopics...); err != nil {
		return 0, err
	}

	p.note("messages expire")
	for _, command := range [][]string{
		{"updateBrokerConfig", "-b", p.BrokerAddr, "-k", "fileReservedTime", "-v", "0"},
		{"deleteExpiredCommitLog", "-b", p.BrokerAddr},
	} {
		if out, err := p.MQAdmin(ctx, command...); err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
	}

	err = wait.For(ctx, expiryLimit, func(ctx context.Context) error {
		queues, err := p.admin.Lag(ctx, settlement.TopicSettlement, settlement.GroupPayment)
		expired = 0
		for _, q := range queues {
			expired += max(0, q.Min-max(q.Committed, 0))
		}
		if err == nil && expired == 0 {
			err = errors.New("no instruction has expired yet")
		}
		return err
	})
	if err != nil {
		return 0, err
	}

	if out, err := p.MQAdmin(ctx, "updateBrokerConfig", "-b",
		p.BrokerAddr, "-k", "fileReservedTime", "-v", "72"); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}

	p.note(fmt.Sprintf("%d instructions have expired", expired))
	return expired, nil
}

// fillLog sends to a topic that nothing consumes until the broker's log has gone on to its next
// file.
func (p *Play) fillLog(ctx context.Context) (err error) {
	const topic, size, each = "filler", 256 << 10, 4
	p.note("filling the broker's log")
	if err := p.admin.CreateTopic(ctx, topic, 1); err != nil {
		return err
	}

	mq, err := rocketmq.NewProducer(rocketmq.ProducerConfig{
		Namesrv: p.NamesrvAddr, Group: topic, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mq.Close()) }()

	body := bytes.Repeat([]byte("x"), size)
	for range servers.CommitLogFile/(size*each) + 1 {
		var batch []rocketmq.Message
		for range each {
			batch = append(batch, rocketmq.Message{Topic: topic, Key: topic, Body: body})
		}
		err := wait.For(ctx, momentLimit,
			func(ctx context.Context) error { _, err := mq.SendBatch(ctx, topic, 0, 1, batch); return err })
		if err != nil {
			return err
		}
	}
	return nil
}
