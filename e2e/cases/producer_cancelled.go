package cases

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"settlement/e2e/checker"
	"settlement/e2e/client"
	"settlement/e2e/faults"
	"settlement/e2e/traffic"
	"settlement/e2e/wait"
	"settlement/shared/settlement"
)

// refundOvertakes keeps the relay from sending while customers cancel orders, and brings a copy of
// each refund to payment-service before the settle. If payment-service decided the refund at once,
// it would find nothing to refund, and the settle behind it would charge the customer for a
// cancelled order.
func refundOvertakes(ctx context.Context, p *Play) (sent int64, err error) {
	const orders = 12
	repeater, err := traffic.NewRepeater(ctx, p.NamesrvAddr, settlement.TopicSettlement, 0, p.draw.Uint64())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, repeater.Stop()) }()

	waited, err := p.expects(ctx, orders, "refunds that waited for the settle before them", p.released)
	if err != nil {
		return 0, err
	}
	if !p.power.On() { // the relay sends: a cancellation may come too late
		_, err := p.came(ctx, waited)
		return 0, err
	}

	p.Order.MQ.Add(&faults.FrameRule{Codes: sends, Topic: settlement.TopicSettlement, Do: faults.DropRequest})
	ends := map[string]string{} // by order: the status that it has to come to
	for i := range orders {
		wallet, end := p.wallets[p.draw.IntN(rich)], "refunded"
		if i%3 == 0 {
			wallet, end = p.wallets[rich+poor], "declined"
		}
		refund, err := p.cancelled(ctx, wallet)
		if err != nil {
			return 0, err
		}
		ends[refund.OrderID] = end

		early, err := asSent(settlement.TopicSettlement, refund.OrderID,
			refund.PaymentNo, string(refund.Type), refund)
		if err != nil {
			return 0, err
		}
		if err := repeater.Publish(ctx, early, 1); err != nil {
			return 0, err
		}
	}

	// A wrong version may decide a refund instead of having it wait. It is counted too: the checker
	// sees it.
	named := "('" + strings.Join(slices.Collect(maps.Keys(ends)), "','") + "')"
	err = p.reaches(ctx, p.books, orders,
		"SELECT (SELECT COUNT(*) FROM parked_messages WHERE state = 'waiting' AND order_id IN "+named+") +"+
			" (SELECT COUNT(*) FROM payment_numbers WHERE order_id IN "+named+")")
	p.Order.MQ.Clear()
	if err != nil {
		return 0, err
	}

	// In a version without a fence nothing waits.
	if err := p.endAs(ctx, ends); err != nil || len(p.found) > 0 {
		return repeater.Published(), err
	}
	_, err = p.came(ctx, waited)
	return repeater.Published(), err
}

// cancelled places an order, has it settled and refunded at once, and returns the refund as
// order-service sends it.
func (p *Play) cancelled(ctx context.Context, wallet string) (settlement.Instruction, error) {
	o, err := p.api.CreateOrder(ctx, key(), "customer", wallet, cny(100))
	if err != nil {
		return settlement.Instruction{}, err
	}
	if _, err := p.counted(p.api.Settle(ctx, key(), o.ID)); err != nil {
		return settlement.Instruction{}, err
	}
	refund, err := p.api.Refund(ctx, key(), o.ID)
	if err != nil {
		return settlement.Instruction{}, err
	}
	return settlement.Instruction{
		Version: settlement.Version, Type: settlement.Refund, PaymentNo: refund.PaymentNo, OrderID: o.ID,
		Seq:       refund.Seq,
		AccountID: wallet, Amount: o.Amount, RequestedAt: time.Now(),
	}, nil
}

// partsDoubled has some orders refunded in two parts and then the rest. Each step is asked for when
// the one before is done. A version that counts a part twice, or for more or less than it is, has
// no rest of the right size in the end.
func partsDoubled(ctx context.Context, p *Play) (int64, error) {
	const orders, times = 6, 10
	return p.with(ctx, times, againOn(settlement.TopicSettlement),
		storedAgain(settlement.TopicSettlement)(p), func() (int64, error) {
			twice := &faults.FrameRule{
				Codes: sends, Topic: settlement.TopicSettlement, Every: 2, Do: faults.Twice,
			}
			p.Order.MQ.Add(twice)

			var ids []string
			for range orders {
				id, err := p.paid(ctx, p.wallets[p.draw.IntN(rich)], cny(100))
				if err != nil {
					return 0, err
				}
				ids = append(ids, id)
			}

			for _, part := range []int64{30, 20, 0} {
				for _, id := range ids {
					if err := p.refundPart(ctx, id, part); err != nil {
						return 0, err
					}
				}
			}

			return p.fires(ctx, twice, times)
		})
}

// refundPart has an amount of an order refunded, 0 for what is left, and waits until the refund has
// ended. A refusal is noted as a violation, not returned: a version that is wrong here must not be
// taken for a case that could not be played.
func (p *Play) refundPart(ctx context.Context, id string, minor int64) error {
	var err error
	if minor > 0 {
		_, err = p.api.RefundPart(ctx, key(), id, cny(minor))
	} else {
		_, err = p.api.Refund(ctx, key(), id)
	}

	if client.IsProblem(err, "order_not_refundable") || client.IsProblem(err, "refund_amount_refused") {
		p.violated(checker.Violation{
			Invariant: checker.Money, What: "what is left of a payment was not refunded", OrderID: id,
			Row: err.Error(),
		})
		return nil
	}
	if err != nil {
		return err
	}

	return wait.For(ctx, momentLimit, func(ctx context.Context) error {
		o, err := p.api.Order(ctx, id)
		if err == nil && o.Status == "refunding" {
			err = fmt.Errorf("the refund of order %s has not ended", id)
		}
		return err
	})
}

// endAs waits until each order has the status that it has to end in. An order that ends as paid, or
// not at all, is a violation.
func (p *Play) endAs(ctx context.Context, ends map[string]string) error {
	for id, want := range ends {
		status := ""
		err := wait.For(ctx, momentLimit, func(ctx context.Context) error {
			o, err := p.api.Order(ctx, id)
			if status = o.Status; err == nil && status != want && status != "paid" {
				err = fmt.Errorf("order %s is %s, want %s", id, status, want)
			}
			return err
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			p.violated(checker.Violation{
				Invariant: checker.Order, What: "a cancelled order did not come to its end", OrderID: id,
				Row: err.Error(),
			})
			break // one shows it
		}

		if status == "paid" { // and nothing is under way that could change it
			p.violated(checker.Violation{
				Invariant: checker.Order, What: "a customer was charged for a cancelled order", OrderID: id,
				Row: "order_id=" + id + " status=paid",
			})
		}
	}
	return nil
}
