package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"settlement/e2e/faults"
	"settlement/e2e/stack"
	"settlement/e2e/traffic"
	"settlement/e2e/wait"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

var producerCases = []Case{
	{
		Name: "send-answer-lost", From: fromProducer,
		Title: "The broker stores a batch, and every third answer to the relay is lost: it sends again.",
		run:   sendAnswerLost(settlements),
	},
	{
		Name: "sends-doubled", From: fromProducer,
		Title: "Every second send reaches the broker twice.",
		run:   sendsDoubled(settlements),
	},
	{
		Name: "relay-killed-after-send", From: fromProducer,
		Title: "The relay dies after the broker stored its messages and before it deleted them from the outbox.",
		run:   relayKilled(settlements),
	},
	{
		Name: "two-relays", From: fromProducer,
		Title: "order-service is frozen while its relay holds the lease, a second instance takes over, the first one wakes.",
		run:   twoRelays,
	},
	{
		Name: "shuffled-repeats", From: fromProducer,
		Title: "Each settlement message is delivered one to five times, and all of them again in shuffled order.",
		run:   shuffledRepeats(settlements),
	},
	{
		Name: "foreign-messages", From: fromProducer,
		Title: "Oversized, malformed, unknown and foreign messages are on the settlement topic.",
		run:   foreignMessages,
	},
	{
		Name: "instruction-committed-late", From: fromProducer,
		Title: "Every third instruction is committed two seconds late: the relay has sent rows with larger ids by then.",
		run: showing(5, "instructions stored behind one that was asked for later", overtaken, statementsBroken(orderSide, 20, func(*Play) *faults.SQLRule {
			return &faults.SQLRule{Touching: acceptTx, Also: acceptKey, At: faults.BeforeCommit, Every: 3, Do: faults.Hold, For: committedLate}
		})),
	},
	{
		Name: "out-of-order", From: fromProducer,
		Title: "Another shop's instructions come in shuffled order, and strangers claim places of its orders that are taken, and numbers for another amount.",
		run:   outOfOrder,
	},
	{
		Name: "refund-overtakes", From: fromProducer,
		Title: "Customers cancel while their orders are settling, and the refund comes before the settle that it was asked behind.",
		run:   refundOvertakes,
	},
	{
		Name: "parts-doubled", From: fromProducer,
		Title: "Orders are refunded in parts, and every second send of an instruction reaches the broker twice.",
		run:   partsDoubled,
	},
	{
		Name: "copies-on-other-queues", From: fromProducer,
		Title: "Each settlement message comes again on another queue while the first one is being settled.",
		run:   copiesOnOtherQueues,
	},
	{
		Name: "outcome-send-answer-lost", From: fromProducer,
		Title: "The same for outcomes: every third answer to the relay of payment-service is lost.",
		run:   sendAnswerLost(outcomes),
	},
	{
		Name: "outcome-sends-doubled", From: fromProducer,
		Title: "Every second send of outcomes reaches the broker twice.",
		run:   sendsDoubled(outcomes),
	},
	{
		Name: "outcome-relay-killed-after-send", From: fromProducer,
		Title: "payment-service dies after the broker stored outcomes and before it deleted them from the outbox.",
		run:   relayKilled(outcomes),
	},
	{
		Name: "outcome-shuffled-repeats", From: fromProducer,
		Title: "Each outcome is delivered one to five times, and all of them again in shuffled order.",
		run:   shuffledRepeats(outcomes),
	},
	{
		Name: "foreign-outcomes", From: fromProducer,
		Title: "Outcomes that payment-service never gave are on the outcome topic, before the true ones and after them.",
		run:   foreignOutcomes,
	},
	{
		Name: "outcome-overtakes", From: fromProducer,
		Title: "Customers cancel while their orders are settling, and the refund's outcome comes before the settle's.",
		run:   outcomeOvertakes,
	},
	{
		Name: "journal-send-answer-lost", From: fromProducer,
		Title: "The same for the journal, which is in global order.",
		run:   sendAnswerLost(journal),
	},
	{
		Name: "backlog-longer-than-a-batch", From: fromProducer,
		Title: "Sends of points fail while more changes of one customer come than one batch holds: they go out in several.",
		run:   backlog,
	},
}

func sendAnswerLost(l line) run {
	const answers = 4
	return showing(answers, againOn(l.topic), storedAgain(l.topic), framesBroken(l.producer, answers, func(*Play) *faults.FrameRule {
		return &faults.FrameRule{Codes: sends, Topic: l.topic, Every: 3, Limit: answers, Do: faults.DropAnswer}
	}))
}

func sendsDoubled(l line) run {
	const times = 20
	return showing(times, againOn(l.topic), storedAgain(l.topic), framesBroken(l.producer, times, func(*Play) *faults.FrameRule {
		return &faults.FrameRule{Codes: sends, Topic: l.topic, Every: 2, Do: faults.Twice}
	}))
}

func relayKilled(l line) run {
	return showing(1, againOn(l.topic), storedAgain(l.topic), killedAt(l.producer, func(p *Play, then func()) {
		l.producer(p).MQ.Add(&faults.FrameRule{
			Codes: sends, Topic: l.topic, Skip: p.draw.IntN(10), Limit: 1, Do: faults.CutAnswer, Then: then,
		})
	}))
}

// leaseFrozen is longer than the relay's lease.
const leaseFrozen = 15 * time.Second

func twoRelays(ctx context.Context, p *Play) (fired int64, err error) {
	second, err := p.another(ctx, stack.OrderService, nil)
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
	repeated, err := p.expects(ctx, 1, againOn(settlement.TopicSettlement), storedAgain(settlement.TopicSettlement)(p))
	if err != nil {
		return 0, err
	}

	asleep := newMoment(func() error { return p.pause(p.Order) })
	p.Order.MQ.Add(&faults.FrameRule{Codes: sends, Topic: settlement.TopicSettlement, Skip: p.draw.IntN(5), Limit: 1, Then: asleep.then})
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

func shuffledRepeats(l line) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		timesMax := 4
		if !p.power.On() {
			timesMax = 0
		}
		repeater, err := traffic.NewRepeater(p.NamesrvAddr, l.topic, timesMax, p.draw.Uint64()) //nolint:contextcheck // a consumer's Start bounds itself
		if err != nil {
			return 0, err
		}

		const rounds, each = 3, 40
		found, err := p.expects(ctx, rounds*each, "repeats found by their payment number", l.repeats(p))
		if err != nil {
			return 0, errors.Join(err, repeater.Stop(ctx))
		}

		began := time.Now()
		for round := range rounds {
			if err := p.shuffle(ctx, repeater, began, each*(round+1)); err != nil {
				return 0, errors.Join(err, repeater.Stop(ctx))
			}
		}

		if err := repeater.Stop(ctx); err != nil {
			return 0, err
		}
		_, err = p.came(ctx, found)
		return repeater.Published(), err
	}
}

// shuffledMost is how many messages are published again at once.
const shuffledMost = 500

// shuffle waits until n messages were seen that are younger than began, and publishes them, shuffledMost at most, in
// shuffled order: old messages meet new ones of their orders.
func (p *Play) shuffle(ctx context.Context, repeater *traffic.Repeater, began time.Time, n int) error {
	var seen []rocketmq.Delivery
	err := wait.For(ctx, momentLimit, func(context.Context) error {
		seen = slices.DeleteFunc(repeater.Seen(), func(d rocketmq.Delivery) bool { return d.StoredAt.Before(began) })
		if len(seen) < n {
			return fmt.Errorf("%d messages were seen, want %d", len(seen), n)
		}
		return nil
	})
	if err != nil {
		return err
	}

	seen = seen[:min(len(seen), shuffledMost)]
	p.draw.Shuffle(len(seen), func(i, j int) { seen[i], seen[j] = seen[j], seen[i] })
	p.note(fmt.Sprintf("publishing %d messages in shuffled order", len(seen)))

	for _, d := range seen {
		if err := p.power.Do(func() error { return repeater.Publish(ctx, d, 1) }); err != nil {
			return err
		}
	}
	return nil
}

// committedLate is how long an instruction's COMMIT is held: longer than a busy machine holds it up by itself.
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
