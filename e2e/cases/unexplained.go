package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"settlement/e2e/client"
	"settlement/e2e/wait"
	"settlement/shared/money"
)

// failsEveryTime has a trigger in the database refuse all that is about one wallet, as a bug would. Its instructions
// are parked after three tries each while everybody else's go on; an operator replays every second one, once the
// trigger is gone, and discards the others.
func failsEveryTime(ctx context.Context, p *Play) (fired int64, err error) {
	a, err := p.api.CreateAccount(ctx, key(), "unlucky", money.CNY)
	if err != nil {
		return 0, err
	}
	if err := p.api.Deposit(ctx, key(), a.ID, cny(10_000)); err != nil {
		return 0, err
	}
	drop := func() error {
		_, err := p.books.ExecContext(context.WithoutCancel(ctx), "DROP TRIGGER IF EXISTS refuse")
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	_, err = p.books.ExecContext(ctx, "CREATE TRIGGER refuse BEFORE INSERT ON payment_numbers FOR EACH ROW"+
		" BEGIN IF NEW.account_id = '"+a.ID+"' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a bug'; END IF; END")
	if err != nil {
		return 0, err
	}
	const unlucky = 10
	var orders []string
	for range unlucky {
		order, err := p.api.CreateOrder(ctx, key(), "customer", a.ID, cny(100))
		if err != nil {
			return 0, err
		}
		if _, err := p.api.Settle(ctx, key(), order.ID); err != nil {
			return 0, err
		}
		orders = append(orders, order.ID)
	}
	parked, err := p.parkedOf(ctx, orders)
	if err != nil {
		return 0, err
	}
	if err := drop(); err != nil {
		return 0, err
	}
	return unlucky, p.operate(ctx, parked)
}

// parkedOf waits until an instruction of each order is parked, and returns them.
func (p *Play) parkedOf(ctx context.Context, orders []string) (parked []client.Parked, err error) {
	err = wait.For(ctx, momentLimit, func(ctx context.Context) error {
		all, err := p.api.ParkedIn(ctx, "parked")
		parked = slices.DeleteFunc(all, func(m client.Parked) bool { return !slices.Contains(orders, m.OrderID) })
		if err == nil && len(parked) < len(orders) {
			err = fmt.Errorf("%d of %d instructions are parked", len(parked), len(orders))
		}
		return err
	})
	for _, m := range parked {
		if m.Attempts != 3 && err == nil {
			err = fmt.Errorf("order %s was parked after %d tries, want 3", m.OrderID, m.Attempts)
		}
	}
	return parked, err
}

// operate replays every second message and discards the others; their orders have to end as paid and failed.
func (p *Play) operate(ctx context.Context, parked []client.Parked) error {
	for i, m := range parked {
		var err error
		want := "paid"
		if i%2 == 0 {
			_, err = p.api.Replay(ctx, key(), m.ID)
		} else {
			want = "failed"
			_, err = p.api.Discard(ctx, key(), m.ID, "the customer has gone")
		}
		if err != nil {
			return err
		}
		err = wait.For(ctx, momentLimit, func(ctx context.Context) error {
			o, err := p.api.Order(ctx, m.OrderID)
			if err == nil && o.Status != want {
				err = fmt.Errorf("order %s is %s, want %s", m.OrderID, o.Status, want)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
