package cases

import (
	"context"
	"errors"
	"time"

	"settlement/e2e/checker"
	"settlement/e2e/faults"
	"settlement/e2e/traffic"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

// foreignOutcomes keeps the outcomes of some orders back and has strangers report others: with a
// smaller amount, another currency or another payment number, and unreadable ones. Once the orders
// have their true outcomes, strangers contradict them. All of these are to be parked.
func foreignOutcomes(ctx context.Context, p *Play) (sent int64, err error) {
	const orders, each = 8, 7
	parked, err := p.expects(ctx, orders*each, "outcomes parked", p.outcomesIn("parked"))
	if err != nil {
		return 0, err
	}
	if !p.power.On() { // nothing is published
		_, err := p.came(ctx, parked)
		return 0, err
	}

	p.Payment.MQ.Add(&faults.FrameRule{Codes: sends, Topic: settlement.TopicOutcome, Do: faults.DropRequest})
	var truth []settlement.Outcome
	for range orders {
		out, err := p.paidUnheard(ctx, p.wallets[p.draw.IntN(rich)])
		if err != nil {
			return 0, err
		}
		truth = append(truth, out)

		less, other, stranger := out, out, out
		less.Amount.Minor = 1
		other.Amount.Currency = money.USD
		stranger.PaymentNo = key()
		n, err := p.forge(ctx, out.OrderID,
			[]any{
				less, other, stranger, "no outcome of " + out.OrderID,
				map[string]any{"version": 99, "order_id": out.OrderID},
			})
		sent += n
		if err != nil {
			return sent, err
		}
	}
	p.Payment.MQ.Clear()

	for _, out := range truth {
		err := p.reaches(ctx, p.orders, 1, "SELECT COUNT(*) FROM payments WHERE order_id = ? AND seq = ?",
			out.OrderID, out.Seq)
		if err != nil {
			return sent, err
		}

		declined, stranger := out, out
		declined.Type, declined.Reason = settlement.Declined, "insufficient_funds"
		stranger.PaymentNo = key()
		n, err := p.forge(ctx, out.OrderID, []any{declined, stranger})
		sent += n
		if err != nil {
			return sent, err
		}
	}

	_, err = p.came(ctx, parked)
	return sent, err
}

// forge publishes outcomes of an order that are to be parked, in the order's queue.
func (p *Play) forge(ctx context.Context, order string, outcomes []any) (sent int64, err error) {
	keys, err := publishOf(ctx, p, settlement.TopicOutcome, order, outcomes)
	p.mayPark(keys...)
	for _, key := range keys {
		p.forged[key] = true
	}
	return int64(len(keys)), err
}

// isForged tells whether a case, and not payment-service, published an outcome.
func (p *Play) isForged(m traffic.Message) bool { return p.forged[m.Key] }

// paidUnheard has an order paid while its outcome is kept back, and returns the outcome.
func (p *Play) paidUnheard(ctx context.Context, wallet string) (settlement.Outcome, error) {
	o, err := p.api.CreateOrder(ctx, key(), "customer", wallet, cny(100))
	if err != nil {
		return settlement.Outcome{}, err
	}
	settle, err := p.api.Settle(ctx, key(), o.ID)
	if _, err := p.counted(settle, err); err != nil {
		return settlement.Outcome{}, err
	}
	out := settlement.Outcome{
		Version: settlement.Version, Type: settlement.Paid, PaymentNo: settle.PaymentNo, OrderID: o.ID,
		Seq:    settle.Seq,
		Amount: o.Amount, OccurredAt: time.Now(),
	}
	return out, p.decidedAs(ctx, out.PaymentNo, out.Type)
}

// outcomeOvertakes keeps the outcomes of cancelled orders back, and brings a copy of each refund's
// outcome to order-service before the settle's outcome. The copy has to wait: an order that is not
// known to be paid has nothing to be refunded.
func outcomeOvertakes(ctx context.Context, p *Play) (sent int64, err error) {
	const orders = 8
	repeater, err := traffic.NewRepeater(ctx, p.NamesrvAddr, settlement.TopicOutcome, 0, p.draw.Uint64())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, repeater.Stop()) }()
	waited, err := p.expects(ctx, orders, "outcomes that waited for the outcome before them",
		p.outcomesIn("released"))
	if err != nil {
		return 0, err
	}
	if !p.power.On() { // outcomes are sent: a cancellation may come too late
		_, err := p.came(ctx, waited)
		return 0, err
	}

	p.Payment.MQ.Add(&faults.FrameRule{Codes: sends, Topic: settlement.TopicOutcome, Do: faults.DropRequest})
	ends := map[string]string{}
	var early []settlement.Outcome
	for range orders {
		refund, err := p.cancelled(ctx, p.wallets[p.draw.IntN(rich)])
		if err != nil {
			return 0, err
		}

		out := settlement.Outcome{
			Version: settlement.Version, Type: settlement.Refunded, PaymentNo: refund.PaymentNo,
			OrderID: refund.OrderID, Seq: refund.Seq,
			Amount: refund.Amount, OccurredAt: time.Now(),
		}
		if err := p.decidedAs(ctx, out.PaymentNo, out.Type); err != nil {
			return 0, err
		}
		d, err := asSent(settlement.TopicOutcome, out.OrderID, out.PaymentNo, string(out.Type), out)
		if err != nil {
			return 0, err
		}
		if err := repeater.Publish(ctx, d, 1); err != nil {
			return 0, err
		}
		ends[out.OrderID], early = "refunded", append(early, out)
	}

	if err := p.areKept(ctx, early); err != nil {
		return repeater.Published(), err
	}
	p.Payment.MQ.Clear()

	if err := p.endAs(ctx, ends); err != nil {
		return repeater.Published(), err
	}
	_, err = p.came(ctx, waited)
	return repeater.Published(), err
}

// areKept waits until order-service has applied the outcomes or keeps them. An outcome that it has
// acknowledged and keeps nowhere is lost: it is no merit of order-service that payment-service
// sends it again.
func (p *Play) areKept(ctx context.Context, outcomes []settlement.Outcome) error {
	for _, out := range outcomes {
		err := p.reaches(ctx, p.orders, 1,
			"SELECT (SELECT COUNT(*) FROM parked_messages WHERE payment_no = ?) +"+
				" (SELECT COUNT(*) FROM payments WHERE payment_no = ?)", out.PaymentNo, out.PaymentNo)
		if err == nil {
			continue
		}
		at, lagErr := traffic.Read(ctx, p.admin, settlement.TopicOutcome, settlement.GroupOrder)
		if lagErr != nil || at.Lag > 0 {
			return errors.Join(err, lagErr)
		}
		p.violated(checker.Violation{
			Invariant: checker.Lost, What: "an outcome that came early was not kept", OrderID: out.OrderID,
			PaymentNo: out.PaymentNo, Row: err.Error(),
		})
		break // one shows it
	}
	return nil
}

// decidedAs waits until payment-service has decided an instruction.
func (p *Play) decidedAs(ctx context.Context, paymentNo string, outcome settlement.OutcomeType) error {
	return p.reaches(ctx, p.books, 1,
		"SELECT COUNT(*) FROM payment_numbers WHERE payment_no = ? AND outcome = ?", paymentNo,
		string(outcome))
}

// outcomesIn counts outcomes that order-service keeps in a state.
func (p *Play) outcomesIn(state string) measure {
	return func(ctx context.Context) (int64, error) {
		return count(ctx, p.orders, "SELECT COUNT(*) FROM parked_messages WHERE topic = 'payment-outcome'"+
			" AND state = ?", state)
	}
}
