package cases

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"settlement/e2e/faults"
	"settlement/e2e/traffic"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

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
	_, err = p.came(ctx, &effect{what: "changes of one customer that waited for one queue", least: rocketmq.BatchMax, now: now})
	return failing.Fired(), err
}

// endedWhileSuspended keeps payment-service from its database for longer than the interval at which
// it tells the broker its offsets, and then ends it. The batches that it has suspended must not be
// among what it has told the broker is done, nor may it tell so when it leaves.
func endedWhileSuspended(end func(p *Play, ctx context.Context, s *Side) error) run {
	const away = 12 * time.Second
	return showing(1, againTo(settlements.group), fetchedAgain(settlements.group), func(ctx context.Context, p *Play) (int64, error) {
		p.broken.Add(1)
		p.Payment.DB.Refuse()
		err := p.lasts(ctx, away)
		err = errors.Join(err, end(p, ctx, p.Payment))
		p.Payment.DB.Allow()
		return 1, errors.Join(err, p.restart(ctx, p.Payment))
	})
}

// customerRowHeld locks a customer's row for longer than order-service waits for a lock, while that
// customer's orders are paid. The transaction that applies their outcomes has done most of its work
// by then, and runs again.
func customerRowHeld(ctx context.Context, p *Play) (int64, error) {
	const times = 3
	waits, err := p.expects(ctx, times, "lock waits (1205) met by order-service", refusedWith(orderSide, lockWait)(p))
	if err != nil {
		return 0, err
	}

	held := func() error {
		tx, err := p.orders.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "SELECT id FROM customers WHERE id = ? FOR UPDATE", p.members[0])
		if err == nil {
			err = p.orderFor(ctx, 0)
		}
		if err == nil {
			err = p.lasts(ctx, 3*time.Second)
		}
		return errors.Join(err, tx.Rollback())
	}

	for range times {
		if err := p.power.Do(held); err != nil {
			return 0, err
		}
		if err := p.accepts(ctx, 10); err != nil {
			return 0, err
		}
	}

	return p.came(ctx, waits)
}

// orderFor has a customer's order settled.
func (p *Play) orderFor(ctx context.Context, who int) error {
	order, err := p.api.CreateOrder(ctx, key(), p.members[who], p.wallets[who], cny(100))
	if err != nil {
		return err
	}
	_, err = p.counted(p.api.Settle(ctx, key(), order.ID))
	return err
}

// outcomesRefused has the database of order-service refuse every outcome, as a bug would, for much longer than a client
// tries that has a limit of a few tries (T2): the outcomes that failed that often must not be passed over.
func outcomesRefused(ctx context.Context, p *Play) (fired int64, err error) {
	const d, tries = 65 * time.Second, 17
	failures, err := p.expects(ctx, tries, "errors of a trigger (1644) met by order-service", refusedWith(orderSide, signalled)(p))
	if err != nil {
		return 0, err
	}
	defer func() {
		_, dropped := p.orders.ExecContext(context.WithoutCancel(ctx), "DROP TRIGGER IF EXISTS refuse")
		err = errors.Join(err, dropped)
	}()

	refuse := func() error {
		_, err := p.orders.ExecContext(ctx, "CREATE TRIGGER refuse BEFORE INSERT ON payments FOR EACH ROW"+
			" BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a bug'; END")
		return err
	}
	if err := p.power.Do(refuse); err != nil {
		return 0, err
	}
	if err := p.lasts(ctx, d); err != nil {
		return 0, err
	}
	return p.came(ctx, failures)
}
