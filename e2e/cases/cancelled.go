package cases

import (
	"context"
	"encoding/json"
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
	"settlement/shared/outbox"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// refundOvertakes keeps the relay from sending while customers cancel orders, and brings a copy of each refund to
// payment-service before the settle. Were it decided at once, it would find nothing to refund, and the settle behind it
// would charge somebody for a cancelled order.
func refundOvertakes(ctx context.Context, p *Play) (sent int64, err error) {
	const orders = 12
	repeater, err := traffic.NewRepeater(p.NamesrvAddr, settlement.TopicSettlement, 0, p.draw.Uint64()) //nolint:contextcheck // a consumer's Start bounds itself
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, repeater.Stop(ctx)) }()
	waited, err := p.expects(ctx, orders, "refunds that waited for the settle before them", p.released)
	if err != nil {
		return 0, err
	}
	if !p.power.On() { // who cancels may come too late
		_, err := p.came(ctx, waited)
		return 0, err
	}

	p.Order.MQ.Add(&faults.FrameRule{Codes: sends, Topic: settlement.TopicSettlement, Do: faults.DropRequest})
	ends := map[string]string{} // by order, the status that it has to come to
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
		body, err := json.Marshal(refund)
		if err != nil {
			return 0, err
		}
		early := rocketmq.Delivery{
			Topic: settlement.TopicSettlement, Queue: outbox.QueueOf(refund.OrderID, settlement.DefaultQueues),
			Key: refund.PaymentNo, ShardingKey: refund.OrderID, Tag: string(refund.Type), Body: body,
		}
		if err := repeater.Publish(ctx, early, 1); err != nil {
			return 0, err
		}
	}
	// Those that a wrong version has not wait are seen by the checker.
	named := "('" + strings.Join(slices.Collect(maps.Keys(ends)), "','") + "')"
	err = p.reaches(ctx, "SELECT (SELECT COUNT(*) FROM parked_messages WHERE state = 'waiting' AND order_id IN "+named+") +"+
		" (SELECT COUNT(*) FROM payment_numbers WHERE order_id IN "+named+")", orders)
	p.Order.MQ.Clear()
	if err != nil {
		return 0, err
	}

	if _, err := p.came(ctx, waited); err != nil {
		return 0, err
	}
	return repeater.Published(), p.endAs(ctx, ends)
}

// cancelled places an order, has it settled and refunded at once, and returns the refund as order-service sends it.
func (p *Play) cancelled(ctx context.Context, wallet string) (settlement.Instruction, error) {
	o, err := p.api.CreateOrder(ctx, key(), "customer", wallet, cny(100))
	if err != nil {
		return settlement.Instruction{}, err
	}
	if _, err := p.counted(p.api.Settle(ctx, key(), o.ID)); err != nil {
		return settlement.Instruction{}, err
	}
	var refund client.Accepted
	if refund, err = p.api.Refund(ctx, key(), o.ID); err != nil {
		return settlement.Instruction{}, err
	}
	return settlement.Instruction{
		Version: settlement.Version, Type: settlement.Refund, PaymentNo: refund.PaymentNo, OrderID: o.ID, Seq: refund.Seq,
		AccountID: wallet, Amount: o.Amount, RequestedAt: time.Now(),
	}, nil
}

// endAs waits until each order has come to its end.
func (p *Play) endAs(ctx context.Context, ends map[string]string) error {
	for id, want := range ends {
		err := wait.For(ctx, momentLimit, func(ctx context.Context) error {
			o, err := p.api.Order(ctx, id)
			if err == nil && o.Status != want {
				err = fmt.Errorf("order %s is %s, want %s", id, o.Status, want)
			}
			return err
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			p.violated(checker.Violation{Invariant: checker.Order, What: "a cancelled order did not come to its end", OrderID: id, Row: err.Error()})
			return nil
		}
	}
	return nil
}
