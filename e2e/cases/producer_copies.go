package cases

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"settlement/e2e/faults"
	"settlement/e2e/traffic"
	"settlement/e2e/wait"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// settleHeld is how long each settle transaction is held between its look for repeats and its
// writing.
const settleHeld = 300 * time.Millisecond

// copiesOnOtherQueues has two goroutines of payment-service settle the same instruction at the same
// time. The broker's lock on a queue does not help: the copy is on another one.
func copiesOnOtherQueues(ctx context.Context, p *Play) (fired int64, err error) {
	repeater, err := traffic.NewRepeater(ctx, p.NamesrvAddr, settlement.TopicSettlement, 0, p.draw.Uint64())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, repeater.Stop()) }()

	const least = 3
	met, err := p.expects(ctx, least, "duplicate keys (1062) met by payment-service",
		refusedWith(paymentSide, duplicateKey)(p))
	if err != nil {
		return 0, err
	}

	p.Payment.DB.Add(&faults.SQLRule{
		Touching: settleTx, At: faults.AtStatement, Do: faults.Hold, For: settleHeld,
	})
	if err := p.copyOnto(ctx, repeater); err != nil {
		return repeater.Published(), err
	}
	if err := p.twins(ctx, repeater, met); err != nil {
		return repeater.Published(), err
	}

	_, err = p.came(ctx, met)
	return repeater.Published(), err
}

// copyOnto publishes each new message again, on the next queue. The copy is late by its way through
// the broker, and usually finds what the first has recorded.
func (p *Play) copyOnto(ctx context.Context, repeater *traffic.Repeater) error {
	const copies = 60
	done := 0
	return wait.For(ctx, momentLimit, func(ctx context.Context) error {
		seen, err := repeater.Seen()
		if err != nil {
			return err
		}
		for _, d := range seen[done:] {
			done++
			d.Queue = (d.Queue + 1) % settlement.DefaultQueues
			if err := p.power.Do(func() error { return repeater.Publish(ctx, d, 1) }); err != nil {
				return err
			}
		}
		if done < copies {
			return fmt.Errorf("%d copies were published, want %d", done, copies)
		}
		return nil
	})
}

// twins publishes another shop's instructions, each on two queues at once, until enough pairs have
// met. Neither of a pair finds what the other has not committed: a new order has no row yet to wait
// for. Pairs are published one after the other: if several were in one batch, it would meet the
// first of them only.
func (p *Play) twins(ctx context.Context, repeater *traffic.Repeater, met *effect) error {
	const pairs = 60 // at most
	for range pairs {
		n, err := met.grown(ctx)
		if err != nil || n >= met.least || !p.power.On() {
			return err
		}
		if err := p.twin(ctx, repeater); err != nil {
			return err
		}
	}
	return nil
}

func (p *Play) twin(ctx context.Context, repeater *traffic.Repeater) error {
	order := key()
	in := threeSteps(order, p.wallets[p.draw.IntN(rich)])[0]
	first, err := asSent(settlement.TopicSettlement, order, in.PaymentNo, string(in.Type), in)
	if err != nil {
		return err
	}
	second := first
	second.Queue = (first.Queue + 1) % settlement.DefaultQueues

	var both errgroup.Group
	for _, d := range []rocketmq.Delivery{first, second} {
		both.Go(func() error { return repeater.Publish(ctx, d, 1) })
	}
	if err := both.Wait(); err != nil {
		return err
	}

	return p.reaches(ctx, p.books, 1, "SELECT COUNT(*) FROM payment_numbers WHERE payment_no = ?",
		in.PaymentNo)
}
