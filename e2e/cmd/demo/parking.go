package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"settlement/e2e/client"
)

// brokenWallet is a wallet whose balance was changed by hand, and the refund that fails because of
// it.
type brokenWallet struct {
	id     string
	held   int64 // before
	order  client.Order
	parked client.Parked
}

// parkOne makes a refund fail for a reason that nobody foresaw: it changes the wallet's row by hand
// to a balance that no deposit makes, and the refund does not fit any more.
func (p *plan) parkOne(ctx context.Context) error {
	order, err := p.paidOrder(ctx)
	if err != nil {
		return err
	}

	b := &p.broken
	b.order, b.id = order, order.AccountID
	wallet, err := p.api.Account(ctx, b.id)
	if err != nil {
		return err
	}
	b.held = wallet.Balance.Minor
	if err := p.setBalance(ctx, math.MaxInt64); err != nil {
		return err
	}

	if _, err := p.api.Refund(ctx, key(), order.ID); err != nil {
		return err
	}
	p.accepted++
	say("Somebody has changed a wallet's row by hand. Refunding an order of it fails every time.")

	err = until(ctx, func(ctx context.Context) error {
		all, err := p.api.ParkedIn(ctx, "parked")
		for _, m := range all {
			if m.OrderID == order.ID {
				b.parked = m
				return nil
			}
		}
		if err == nil {
			err = p.buyMeanwhile(ctx)
		}
		return errors.Join(err, errors.New("the refund is not parked yet"))
	})
	if err != nil {
		return err
	}

	say("Orders of others go through meanwhile (%d were placed), so it is this message's fault.", p.meanwhile)
	reason, _, _ := strings.Cut(b.parked.Reason, "\n")
	say("Parked after %d tries: %.300s", b.parked.Attempts, reason)
	return until(ctx, p.isTold)
}

// buyMeanwhile has one more order settled, of another wallet. A message that fails alone is parked;
// where every message fails, none is.
func (p *plan) buyMeanwhile(ctx context.Context) error {
	wallet := p.wallets[1]
	if wallet == p.broken.id {
		wallet = p.wallets[2]
	}
	if p.meanwhile == meanwhileMax {
		return fmt.Errorf("%d orders of others were placed meanwhile, no more are", meanwhileMax)
	}

	o, err := p.api.CreateOrder(ctx, key(), "customer-other", wallet, cny(orderMinor))
	if err != nil {
		return err
	}
	if _, err := p.api.Settle(ctx, key(), o.ID); err != nil {
		return err
	}

	p.orders = append(p.orders, o)
	p.accepted++
	p.meanwhile++
	return nil
}

// isTold returns nil when people were told of the parked message on every channel.
func (p *plan) isTold(ctx context.Context) error {
	var channels string
	var waiting int
	err := p.books.QueryRowContext(ctx,
		"SELECT COALESCE(GROUP_CONCAT(channel), ''), COUNT(*) - COUNT(told_at) FROM notifications WHERE"+
			" parked_id = ?",
		p.broken.parked.ID).Scan(&channels, &waiting)
	switch {
	case err != nil:
		return err
	case channels == "" || waiting > 0:
		return fmt.Errorf("nobody was told of parked message %s yet", p.broken.parked.ID)
	}
	say("Told that an operator has to decide, on: %s.", channels)
	return nil
}

// replayIt does what an operator would: it repairs what was wrong and has the message settled.
func (p *plan) replayIt(ctx context.Context) error {
	if err := p.setBalance(ctx, p.broken.held); err != nil {
		return err
	}
	if _, err := p.api.Replay(ctx, key(), p.broken.parked.ID); err != nil {
		return err
	}

	err := until(ctx, func(ctx context.Context) error {
		o, err := p.api.Order(ctx, p.broken.order.ID)
		if err == nil && o.Status != "refunded" {
			err = fmt.Errorf("order %s is %s", o.ID, o.Status)
		}
		return err
	})
	if err == nil {
		say("An operator has repaired the row and replayed the message: the order is refunded.")
	}
	return err
}

func (p *plan) paidOrder(ctx context.Context) (client.Order, error) {
	for _, o := range p.orders {
		now, err := p.api.Order(ctx, o.ID)
		if err != nil || now.Status == "paid" && now.Refunded.Minor == 0 {
			return now, err
		}
	}
	return client.Order{}, errors.New("no order is paid and not refunded in part")
}

func (p *plan) setBalance(ctx context.Context, minor int64) error {
	_, err := p.books.ExecContext(ctx, "UPDATE accounts SET balance_minor = ? WHERE id = ?",
		minor, p.broken.id)
	return err
}

// replayed counts the parked messages that were replayed and whose notice was told.
func (p *plan) replayed(ctx context.Context) (n int64, err error) {
	err = p.books.QueryRowContext(ctx,
		"SELECT COUNT(DISTINCT m.id) FROM parked_messages m JOIN notifications n ON n.parked_id = m.id"+
			" WHERE m.state = 'replayed' AND n.told_at IS NOT NULL").Scan(&n)
	return n, err
}
