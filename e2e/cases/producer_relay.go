package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"settlement/e2e/faults"
	"settlement/e2e/stack/service"
	"settlement/e2e/traffic"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

func relayKilled(l line) run {
	return showing(1, againOn(l.topic), storedAgain(l.topic),
		killedAt(l.producer, func(p *Play, then func()) {
			l.producer(p).MQ.Add(&faults.FrameRule{
				Codes: sends, Topic: l.topic, Skip: p.draw.IntN(10), Limit: 1, Do: faults.CutAnswer,
				Then: then,
			})
		}))
}

// leaseFrozen is longer than the relay's lease.
const leaseFrozen = 15 * time.Second

func twoRelays(ctx context.Context, p *Play) (fired int64, err error) {
	second, err := p.another(ctx, service.Order, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.leave(ctx, second)) }()

	sent := &faults.FrameRule{Codes: sends, Topic: settlement.TopicSettlement, Do: faults.Pass}
	second.MQ.Add(sent)
	takeover := func(context.Context) (int64, error) { return sent.Fired(), nil }
	tookOver, err := p.expects(ctx, 1, "batches sent by the second relay", takeover)
	if err != nil {
		return 0, err
	}
	repeated, err := p.expects(ctx, 1, againOn(settlement.TopicSettlement),
		storedAgain(settlement.TopicSettlement)(p))
	if err != nil {
		return 0, err
	}

	asleep := newMoment(func() error { return p.pause(p.Order) })
	p.Order.MQ.Add(&faults.FrameRule{
		Codes: sends, Topic: settlement.TopicSettlement, Skip: p.draw.IntN(5), Limit: 1, Then: asleep.then,
	})
	if err := asleep.wait(ctx); err != nil {
		return 0, fmt.Errorf("freeze the first relay: %w", err)
	}

	api, until := p.client(second.Service.URL), time.Now().Add(leaseFrozen)
	for time.Now().Before(until) {
		if err := p.step(ctx, api, p.draw); err != nil {
			return 0, err
		}
		if err := pause(ctx, p.pace); err != nil {
			return 0, err
		}
	}

	if _, err := p.came(ctx, tookOver); err != nil {
		return 0, err
	}
	if err := p.wake(p.Order); err != nil {
		return 0, err
	}
	if _, err := p.came(ctx, repeated); err != nil {
		return 0, err
	}
	return sent.Fired(), p.accepts(ctx, 10)
}

// committedLate is how long an instruction's COMMIT is held: longer than a busy machine holds it up
// by itself.
const committedLate = 2 * time.Second

// overtaken counts instructions that came to the broker behind one that a customer asked for later,
// by about as long as a COMMIT is held. The later one's row had the larger id, and was sent before.
func overtaken(p *Play) measure {
	return func(ctx context.Context) (n int64, err error) {
		messages, err := traffic.Messages(ctx, p.NamesrvAddr, settlement.TopicSettlement)
		if err != nil {
			return 0, err
		}

		asked := map[string]time.Time{}
		var first []traffic.Message
		for _, m := range messages {
			in, err := settlement.ParseInstruction(m.Body)
			if _, again := asked[m.Key]; err == nil && !m.Repeat && !again {
				asked[m.Key] = in.RequestedAt
				first = append(first, m)
			}
		}

		slices.SortFunc(first, func(a, b traffic.Message) int { return a.StoredAt.Compare(b.StoredAt) })
		var newest time.Time // request among the instructions that were stored long before m
		behind := 0
		for _, m := range first {
			for ; m.StoredAt.Sub(first[behind].StoredAt) > committedLate*3/4; behind++ {
				if at := asked[first[behind].Key]; at.After(newest) {
					newest = at
				}
			}
			if asked[m.Key].Before(newest) {
				n++
			}
		}
		return n, nil
	}
}

// backlog fails sends of points until more changes of one customer wait for one queue than a batch
// holds.
func backlog(ctx context.Context, p *Play) (int64, error) {
	const changes, sideBySide = rocketmq.BatchMax + 50, 8
	who := p.members[0]
	failing := &faults.FrameRule{Codes: sends, Topic: settlement.TopicPoints, Do: faults.DropRequest}
	p.Order.MQ.Add(failing)

	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(sideBySide)
	for range changes {
		group.Go(func() error { return p.api.Misconduct(inner, key(), who) })
	}
	err := group.Wait()
	if _, failed := p.fires(ctx, failing, 1); err == nil {
		err = failed
	}
	p.Order.MQ.Clear()
	if err != nil {
		return 0, fmt.Errorf("report misconduct: %w", err)
	}

	ended := time.Now()
	now := func(ctx context.Context) (n int64, err error) {
		messages, err := traffic.Messages(ctx, p.NamesrvAddr, settlement.TopicPoints)
		for _, m := range messages {
			change, err := settlement.ParsePointsChange(m.Body)
			if err == nil && change.CustomerID == who && m.StoredAt.After(ended) {
				n++
			}
		}
		return n, err
	}

	// A version that loses some of them must not be taken for one that had no backlog.
	_, err = p.came(ctx, &effect{
		what: "changes of one customer that waited for one queue", least: rocketmq.BatchMax, now: now,
	})
	return failing.Fired(), err
}
