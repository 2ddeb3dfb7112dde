package cases

import (
	"context"
	"errors"
	"time"
)

// customerRowHeld locks a customer's row for longer than order-service waits for a lock, while that
// customer's orders are paid. The transaction that applies their outcomes has done most of its work
// by then, and runs again.
func customerRowHeld(ctx context.Context, p *Play) (int64, error) {
	const times = 3
	waits, err := p.expects(ctx, times, "lock waits (1205) met by order-service",
		refusedWith(orderSide, lockWait)(p))
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

// outcomesRefused has the database of order-service refuse every outcome, as a bug would, for much
// longer than a client tries that has a limit of a few tries (T2): the outcomes that failed that
// often must not be passed over.
func outcomesRefused(ctx context.Context, p *Play) (fired int64, err error) {
	const d, tries = 65 * time.Second, 17
	failures, err := p.expects(ctx, tries, "errors of a trigger (1644) met by order-service",
		refusedWith(orderSide, signalled)(p))
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
