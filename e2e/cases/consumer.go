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

var consumerCases = []Case{
	{
		Name: "payment-service-killed-in-transaction", From: fromConsumer,
		Title: "payment-service dies inside the settle transaction.",
		run:   killedAtSQL(settlements, faults.AtStatement),
	},
	{
		Name: "payment-service-killed-after-commit", From: fromConsumer,
		Title: "payment-service dies after the settle transaction is committed and before it tells the broker.",
		run:   killedAtSQL(settlements, faults.AfterCommit),
	},
	{
		Name: "payment-service-killed-in-flight", From: fromConsumer,
		Title: "payment-service dies while batches are on their way to it.",
		run: showing(1, againTo(settlements.group), fetchedAgain(settlements.group), killedAt(paymentSide, func(p *Play, then func()) {
			p.Payment.MQ.Add(&faults.FrameRule{
				Codes: []int{faults.PullMessage}, Topic: settlements.topic, Full: true, Skip: p.draw.IntN(20), Limit: 1,
				Do: faults.PassAnswer, Then: then,
			})
		})),
	},
	{
		Name: "offset-commits-lost", From: fromConsumer,
		Title: "What payment-service tells the broker it has done is lost, and it dies: all of it comes again.",
		run:   offsetCommitsLost(settlements),
	},
	{
		Name: "consumers-come-and-go", From: fromConsumer,
		Title: "Instances of payment-service are added and removed every 15 s.",
		run:   comeAndGo,
	},
	{
		Name: "late-writer", From: fromConsumer,
		Title: "payment-service is frozen and cut off for 70 s while it holds a batch; another takes over; then it wakes and writes.",
		run:   lateWriter,
	},
	{
		Name: "fails-every-time", From: fromConsumer,
		Title: "Ten instructions fail every time for a reason nobody foresaw: parked after three tries, then replayed or discarded.",
		run:   failsEveryTime,
	},
	{
		Name: "parked-with-successors", From: fromConsumer,
		Title: "The first of three instructions of an order fails every time: the others wait behind it, and follow it once it is replayed or discarded.",
		run:   parkedWithSuccessors,
	},
	{
		Name: "killed-between-tries", From: fromConsumer,
		Title: "payment-service dies between two tries of an instruction that fails every time: parked after three in all.",
		run:   killedWhileParking(triesTx, 2),
	},
	{
		Name: "killed-after-parking", From: fromConsumer,
		Title: "payment-service dies after it parked an instruction and before it tells the broker.",
		run:   killedWhileParking(parkTx, 1),
	},
	{
		Name: "notices-refused", From: fromConsumer,
		Title: "Nobody takes the notices about parked messages for a while, and payment-service dies: told once somebody does.",
		run:   noticesRefused,
	},
	{
		Name: "auditor-killed", From: fromConsumer,
		Title: "The auditor, which pulls the journal and keeps its offset itself, dies inside its transaction and behind its commit.",
		run:   auditorKilled,
	},
	{
		Name: "clock-off", From: fromConsumer,
		Title: "The clock of payment-service is 10 minutes ahead.",
		run:   clockOff,
		bin:   buildClockOff,
	},
	{
		Name: "order-service-killed-in-transaction", From: fromConsumer,
		Title: "order-service dies while it applies outcomes.",
		run:   killedAtSQL(outcomes, faults.AtStatement),
	},
	{
		Name: "order-service-killed-after-apply", From: fromConsumer,
		Title: "order-service dies after it committed outcomes and before it tells the broker.",
		run:   killedAtSQL(outcomes, faults.AfterCommit),
	},
	{
		Name: "outcome-offset-commits-lost", From: fromConsumer,
		Title: "What order-service tells the broker it has done is lost, and it dies.",
		run:   offsetCommitsLost(outcomes),
	},
	{
		Name: "killed-while-suspended", From: fromConsumer,
		Title: "payment-service cannot reach its database for 12 s, and dies with the batches that it has suspended.",
		run:   endedWhileSuspended(func(p *Play, _ context.Context, s *Side) error { return p.kill(s) }),
	},
	{
		Name: "stopped-while-suspended", From: fromConsumer,
		Title: "payment-service cannot reach its database for 12 s, and is stopped in peace with the batches that it has suspended.",
		run: endedWhileSuspended(func(p *Play, ctx context.Context, s *Side) error {
			return p.power.Do(func() error { return p.stop(ctx, s) })
		}),
	},
}

func offsetCommitsLost(l line) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		side := l.consumer(p)
		lost := &faults.FrameRule{Codes: []int{faults.CommitOffset}, Group: l.group, Do: faults.DropRequest}
		side.MQ.Add(lost)
		// T9: every pull commits an offset too, beside what it asks for.
		side.MQ.Add(&faults.FrameRule{Codes: []int{faults.PullMessage}, Group: l.group, Do: faults.StripCommit})

		given := side.MQ.Fetched()[l.group].Messages
		if err := p.accepts(ctx, 60); err != nil {
			return 0, err
		}
		if _, err := p.fires(ctx, lost, 1); err != nil {
			return 0, err
		}
		given = side.MQ.Fetched()[l.group].Messages - given

		if err := p.kill(side); err != nil {
			return 0, err
		}
		fired := lost.Fired()
		side.MQ.Clear()

		again, err := p.expects(ctx, given, againTo(l.group), fetchedAgain(l.group)(p))
		if err != nil {
			return fired, err
		}
		if err := p.restart(ctx, side); err != nil {
			return fired, err
		}
		_, err = p.came(ctx, again)
		return fired, err
	}
}

// fired is a count that a case waits for.
type fired func() int64

func (f fired) Fired() int64 { return f() }

func comeAndGo(ctx context.Context, p *Play) (int64, error) {
	const times, stays = 2, 15 * time.Second
	for range times {
		var further *Side
		join := func() (err error) {
			further, err = p.another(ctx, stack.PaymentService, nil)
			return err
		}
		if err := p.power.Do(join); err != nil {
			return 0, err
		}
		if err := p.lasts(ctx, stays); err != nil {
			return 0, err
		}

		given := int64(0)
		if further != nil {
			// The added instance gets queues at the next rebalance, up to 20 s away, when their
			// owner has handed them over.
			got := func() int64 { return further.MQ.Fetched()[settlement.GroupPayment].Messages }
			_, err := p.fires(ctx, fired(got), 1)
			given = got()
			if err != nil && ctx.Err() != nil {
				return 0, err
			}
			if err := p.leave(ctx, further); err != nil {
				return 0, err
			}
		}
		if err := p.had(given, 1, "messages given to the added instance"); err != nil {
			return 0, err
		}
		if err := p.lasts(ctx, stays); err != nil {
			return 0, err
		}
	}

	return 2 * times, nil
}

// lateWriter freezes payment-service after it has read that its batch is new and before it writes:
// the proxy holds its first INSERT until the process is awake again. By then the other instance has
// settled the batch, and the database server has ended the frozen instance's transaction: the
// INSERT is refused.
func lateWriter(ctx context.Context, p *Play) (fired int64, err error) {
	second, err := p.another(ctx, stack.PaymentService, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.leave(ctx, second)) }()

	again, err := p.expects(ctx, 1, "messages of the first instance given to the second", func(context.Context) (int64, error) {
		return second.MQ.Fetched()[settlement.GroupPayment].Again, nil
	})
	if err != nil {
		return 0, err
	}

	asleep := newMoment(func() error { return p.pause(p.Payment) })
	late := &faults.SQLRule{
		Touching: settleTx, At: faults.AtStatement, Skip: p.draw.IntN(5), Limit: 1, Do: faults.Hold, For: sleeps, Then: asleep.then,
	}
	p.Payment.DB.Add(late)
	if err := asleep.wait(ctx); err != nil {
		return 0, fmt.Errorf("freeze payment-service: %w", err)
	}

	// A frozen process keeps its connections, and the broker keeps its queues for it for two
	// minutes. Once it is cut off, the broker drops it at once.
	p.Payment.MQ.Refuse()
	err = p.lasts(ctx, sleeps)
	p.Payment.MQ.Allow()
	if err != nil {
		return 0, err
	}

	// The frozen instance had half of the queues, and the batch. The other one has to have taken
	// them over.
	const waiting = "SELECT COUNT(*) FROM orders WHERE status IN ('settling', 'cancelling', 'refunding') AND updated_at < UTC_TIMESTAMP() - INTERVAL 15 SECOND"
	if n, err := count(ctx, p.orders, waiting); err != nil || n > 0 {
		return 0, errors.Join(err, fmt.Errorf("the other instance has not taken over: %d instructions wait for more than 15 s", n))
	}
	if _, err := p.came(ctx, again); err != nil {
		return 0, err
	}

	if err := p.wake(p.Payment); err != nil {
		return 0, err
	}
	refused := func(context.Context) (int64, error) { return late.Refused(), nil }
	_, err = p.came(ctx, &effect{what: "late INSERTs refused", least: 1, now: refused})
	return late.Fired(), err
}

// sleeps is how long a frozen service is away: longer than the broker's lock on its queues and the next rebalance.
const sleeps = 70 * time.Second
