package cases

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"settlement/e2e/client"
)

// finishLimit is how long customers may take to get answers to what they have asked, once they
// stop.
const finishLimit = 60 * time.Second

// load is customers that buy until they are told to stop.
type load struct {
	cancel context.CancelFunc // ends the calls too
	stop   chan struct{}
	group  sync.WaitGroup
	mu     sync.Mutex
	err    error
}

// buying starts customers: each places orders and has them settled, sometimes cancelled at once,
// refunded, in part or whole, and settled again.
func (p *Play) buying(ctx context.Context, seed uint64) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel, stop: make(chan struct{})}
	for i := range p.customers {
		draw := stream(seed, fmt.Sprint("customer ", i))
		l.group.Go(func() {
			if err := p.buy(ctx, draw, l.stop); err != nil {
				l.mu.Lock()
				l.err = errors.Join(l.err, err)
				l.mu.Unlock()
			}
		})
	}
	return l
}

// end lets the customers finish what they are doing. An error means that one of them got an
// unexpected answer.
func (l *load) end() error {
	close(l.stop)
	giveUp := time.AfterFunc(finishLimit, l.cancel)
	defer giveUp.Stop()
	l.group.Wait()
	l.cancel()
	return l.err
}

func (p *Play) buy(ctx context.Context, draw *rand.Rand, stop <-chan struct{}) error {
	for p.placed.Load() < p.most {
		if err := p.step(ctx, p.api, draw); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case <-time.After(rand.N(2*p.pace + 1)):
		}
	}
	return nil
}

// step has a customer do one thing: settle an earlier order again, refund it in part or whole, or
// buy.
func (p *Play) step(ctx context.Context, api *client.Client, draw *rand.Rand) error {
	choice := draw.IntN(10)
	if earlier := p.earlier(draw); earlier != "" && choice < 4 {
		if choice < 2 { // after a refund or a decline
			_, err := p.counted(api.Settle(ctx, key(), earlier))
			return err
		}
		if choice == 2 {
			return p.part(api.RefundPart(ctx, key(), earlier, cny(1+draw.Int64N(2000))))
		}
		return p.refunded(api.Refund(ctx, key(), earlier))
	}

	who := draw.IntN(len(p.wallets))
	if choice == 9 && p.points {
		if err := api.Misconduct(ctx, key(), p.members[who]); err != nil {
			return fmt.Errorf("report misconduct: %w", err)
		}
	}

	order, err := api.CreateOrder(ctx, key(), p.members[who], p.wallets[who], cny(1+draw.Int64N(5000)))
	if err != nil {
		return fmt.Errorf("place an order: %w", err)
	}
	p.placed.Add(1)
	if _, err := p.counted(api.Settle(ctx, key(), order.ID)); err != nil {
		return err
	}
	if choice == 8 { // the customer cancels
		if err := p.refunded(api.Refund(ctx, key(), order.ID)); err != nil {
			return err
		}
	}

	p.mu.Lock()
	p.settled = append(p.settled, order.ID)
	p.mu.Unlock()
	return nil
}

// refunded counts an accepted refund, and separately a refund of an order that was paid.
func (p *Play) refunded(a client.Accepted, err error) error {
	_, err = p.counted(a, err)
	if a.Status == "refunding" {
		p.refunds.Add(1)
	}
	return err
}

// part counts a refund of a part. It may be refused, since less may be left.
func (p *Play) part(a client.Accepted, err error) error {
	if client.IsProblem(err, "refund_amount_refused") {
		return nil
	}
	return p.refunded(a, err)
}

// counted counts an accepted instruction. It may be refused, since the order's previous instruction
// may not have ended.
func (p *Play) counted(_ client.Accepted, err error) (accepted bool, _ error) {
	if client.IsProblem(err, "order_not_settleable") || client.IsProblem(err, "order_not_refundable") {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	p.accepted.Add(1)
	return true, nil
}

// earlier returns an order that was settled before, empty when there is none.
func (p *Play) earlier(draw *rand.Rand) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.settled) == 0 {
		return ""
	}
	return p.settled[draw.IntN(len(p.settled))]
}
