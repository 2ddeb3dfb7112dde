package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"settlement/e2e/checker"
	"settlement/e2e/client"
	"settlement/e2e/faults"
	"settlement/e2e/receiver"
	"settlement/e2e/wait"
	"settlement/shared/money"
)

// failsEveryTime has all instructions about one wallet fail. They are parked after three tries
// each, while the instructions of all other wallets go on. Once the fault is gone, an operator
// replays every second one and discards the others.
func failsEveryTime(ctx context.Context, p *Play) (fired int64, err error) {
	const unlucky = 10
	parked, err := p.parkSome(ctx, unlucky)
	if err != nil {
		return 0, err
	}
	return unlucky, p.operate(ctx, parked)
}

// killedWhileParking kills payment-service after the database has committed a transaction on the
// way to the parking of an instruction, and before payment-service knows. The next start goes on
// from there.
func killedWhileParking(touching string, triesMax int) run {
	return func(ctx context.Context, p *Play) (fired int64, err error) {
		again, err := p.expects(ctx, 1, againTo(settlements.group), fetchedAgain(settlements.group)(p))
		if err != nil {
			return 0, err
		}

		killed := newMoment(func() error { return p.kill(p.Payment) })
		p.Payment.DB.Add(&faults.SQLRule{
			Touching: touching, At: faults.AfterCommit, Skip: p.draw.IntN(triesMax), Limit: 1, Do: faults.Cut,
			Then: killed.then,
		})

		restarted := make(chan error, 1)
		waiting, giveUp := context.WithCancel(ctx)
		defer giveUp()
		go func() {
			err := killed.wait(waiting)
			if err == nil {
				err = p.restart(ctx, p.Payment)
			}
			restarted <- err
		}()

		parked, err := p.parkSome(ctx, 1)
		if err != nil {
			giveUp()
			return 0, errors.Join(err, <-restarted)
		}
		if err := <-restarted; err != nil {
			return 0, err
		}
		if _, err := p.came(ctx, again); err != nil {
			return 0, err
		}
		return 1, p.operate(ctx, parked)
	}
}

// noticesRefused has the receiver of notices down while messages are parked, and payment-service
// die meanwhile.
func noticesRefused(ctx context.Context, p *Play) (fired int64, err error) {
	const unlucky = 3
	refusals := func(context.Context) (int64, error) { return int64(p.Notices.Refused()), nil }
	refusal, err := p.expects(ctx, unlucky, "notices refused", refusals)
	if err != nil {
		return 0, err
	}

	down := func() error { p.Notices.Down(true); return nil }
	if err := p.power.Do(down); err != nil {
		return 0, err
	}

	parked, err := p.parkSome(ctx, unlucky)
	if err != nil {
		return 0, err
	}
	if _, err := p.came(ctx, refusal); err != nil {
		return 0, err
	}

	if err := p.kill(p.Payment); err != nil {
		return 0, err
	}
	if err := p.restart(ctx, p.Payment); err != nil {
		return 0, err
	}

	// The dead process may have left a notice claimed as being told. It is told again when that
	// claim has ended.
	if _, err = p.fires(ctx, refused{p.Notices}, int64(p.Notices.Refused())+unlucky); err != nil &&
		ctx.Err() == nil {
		p.violated(checker.Violation{
			Invariant: checker.Lost, What: "notices that nobody took are not told again", Row: err.Error(),
		})
	}
	p.Notices.Down(false)
	return int64(p.Notices.Refused()) - refusal.began, p.operate(ctx, parked)
}

// refused counts notices that the receiver did not take.
type refused struct{ *receiver.Receiver }

func (r refused) Fired() int64 { return int64(r.Refused()) }

// parkSome has n instructions about one wallet fail until they are parked.
func (p *Play) parkSome(ctx context.Context, n int) (parked []client.Parked, err error) {
	err = p.refusing(ctx, int64(n), func(wallet string, failures *effect) (err error) {
		var orders []string
		for range n {
			order, err := p.api.CreateOrder(ctx, key(), "customer", wallet, cny(100))
			if err != nil {
				return err
			}
			accepted, err := p.api.Settle(ctx, key(), order.ID)
			if err != nil {
				return err
			}
			p.mayPark(accepted.PaymentNo)
			orders = append(orders, order.ID)
		}

		if _, err := p.came(ctx, failures); err != nil {
			return err
		}
		parked, err = p.parkedOf(ctx, orders)
		return err
	})
	return parked, err
}

// refusing calls do while a trigger in the database refuses, as a bug would, the first instruction
// of each order that is about one wallet. do gets that wallet and the effect to wait for: each of n
// instructions fails at least once.
func (p *Play) refusing(
	ctx context.Context, n int64, do func(wallet string, failures *effect) error,
) (err error) {
	a, err := p.api.CreateAccount(ctx, key(), "unlucky", money.CNY)
	if err != nil {
		return err
	}
	if err := p.api.Deposit(ctx, key(), a.ID, cny(10_000)); err != nil {
		return err
	}

	defer func() {
		_, dropped := p.books.ExecContext(context.WithoutCancel(ctx), "DROP TRIGGER IF EXISTS refuse")
		err = errors.Join(err, dropped)
	}()
	failures, err := p.expects(ctx, n, "errors of a trigger (1644) met by payment-service",
		refusedWith(paymentSide, signalled)(p))
	if err != nil {
		return err
	}

	refuse := func() error {
		_, err := p.books.ExecContext(ctx,
			"CREATE TRIGGER refuse BEFORE INSERT ON payment_numbers FOR EACH ROW"+
				" BEGIN IF NEW.account_id = '"+a.ID+
				"' AND NEW.seq = 1 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a bug'; END IF; END")
		return err
	}
	if err := p.power.Do(refuse); err != nil {
		return err
	}

	return do(a.ID, failures)
}

// parkedWithSuccessors has the first of three instructions of some orders fail every time. The
// other two wait behind it, and take effect in their sequence when an operator has replayed or
// discarded the first.
func parkedWithSuccessors(ctx context.Context, p *Play) (fired int64, err error) {
	const unlucky = 6
	var parked []client.Parked
	err = p.refusing(ctx, unlucky, func(wallet string, failures *effect) (err error) {
		var orders []string
		for range unlucky {
			order := key()
			orders = append(orders, order)
			keys, err := p.instruct(ctx, order, threeSteps(order, wallet))
			if err != nil {
				return err
			}
			p.mayPark(keys[:1]...)
		}

		if _, err := p.came(ctx, failures); err != nil {
			return err
		}
		if parked, err = p.parkedOf(ctx, orders); err != nil && ctx.Err() == nil {
			p.violated(checker.Violation{
				Invariant: checker.Lost, What: "instructions that fail every time are not parked",
				Row: err.Error(),
			})
			return nil
		}

		// A wrong version may decide the others instead of having them wait. They are counted too:
		// the checker sees them.
		named := "('" + strings.Join(orders, "','") + "')"
		return p.reaches(ctx, p.books, 2*unlucky,
			"SELECT (SELECT COUNT(*) FROM parked_messages WHERE state = 'waiting' AND order_id IN "+named+
				") +"+
				" (SELECT COUNT(*) FROM payment_numbers WHERE order_id IN "+named+")")
	})
	if err != nil {
		return 0, err
	}

	for i, m := range parked {
		want := "paid,refunded,paid"
		if i%2 != 0 {
			want = "failed,failed,paid"
		}

		if err := p.decideParked(ctx, m, i%2 == 0); err != nil {
			return 0, err
		}
		if err := p.wantOutcomes(ctx, m.OrderID, want); err != nil {
			return 0, err
		}
	}
	return unlucky, nil
}

// wantOutcomes compares the outcomes of an order's instructions with want. It does not wait:
// waiting instructions are released together with the one before.
func (p *Play) wantOutcomes(ctx context.Context, order, want string) error {
	var got string
	err := p.books.QueryRowContext(ctx,
		"SELECT COALESCE(GROUP_CONCAT(outcome ORDER BY seq), '') FROM payment_numbers WHERE order_id = ?",
		order).Scan(&got)
	if err == nil && got != want {
		p.violated(checker.Violation{
			Invariant: checker.Order, What: "what waited for a parked instruction did not follow it in sequence", OrderID: order,
			Row: fmt.Sprintf("order_id=%s outcomes=%s want=%s", order, got, want),
		})
	}
	return err
}

// parkedOf waits until an instruction of each order is parked, and returns them.
func (p *Play) parkedOf(ctx context.Context, orders []string) (parked []client.Parked, err error) {
	err = wait.For(ctx, momentLimit, func(ctx context.Context) error {
		all, err := p.api.ParkedIn(ctx, "parked")
		parked = slices.DeleteFunc(all,
			func(m client.Parked) bool { return !slices.Contains(orders, m.OrderID) })
		if err == nil && len(parked) < len(orders) {
			err = fmt.Errorf("%d of %d instructions are parked", len(parked), len(orders))
		}
		return err
	})

	for _, m := range parked {
		if m.Attempts != 3 {
			p.violated(checker.Violation{
				Invariant: checker.Lost, What: "an instruction was not parked after three tries",
				OrderID: m.OrderID,
				Row:     fmt.Sprintf("parked_messages.id=%s attempts=%d", m.ID, m.Attempts),
			})
		}
	}
	return parked, err
}

// decideParked replays a parked message, or discards it.
func (p *Play) decideParked(ctx context.Context, m client.Parked, replay bool) (err error) {
	if replay {
		_, err = p.api.Replay(ctx, key(), m.ID)
	} else {
		_, err = p.api.Discard(ctx, key(), m.ID, "the customer has gone")
	}

	var refusal *client.Problem
	if errors.As(err, &refusal) {
		p.violated(checker.Violation{
			Invariant: checker.Lost, What: "an operator could not decide on a parked message",
			OrderID: m.OrderID,
			Row:     fmt.Sprintf("parked_messages.id=%s replay=%t: %v", m.ID, replay, refusal),
		})
		return nil
	}
	return err
}

// operate replays every second message and discards the others; their orders have to end as paid
// and failed.
func (p *Play) operate(ctx context.Context, parked []client.Parked) error {
	for i, m := range parked {
		want := "paid"
		if i%2 != 0 {
			want = "failed"
		}

		if err := p.decideParked(ctx, m, i%2 == 0); err != nil {
			return err
		}
		err := wait.For(ctx, momentLimit, func(ctx context.Context) error {
			o, err := p.api.Order(ctx, m.OrderID)
			if err == nil && o.Status != want {
				err = fmt.Errorf("order %s is %s, want %s", m.OrderID, o.Status, want)
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			p.violated(checker.Violation{
				Invariant: checker.Lost, What: "an operator's decision did not reach its order",
				OrderID: m.OrderID,
				Row:     fmt.Sprintf("parked_messages.id=%s: %v", m.ID, err),
			})
			return nil
		}
	}

	return ctx.Err()
}
