package cases

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"settlement/e2e/checker"
	"settlement/shared/outbox"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// foreignMessages publishes messages that are no instructions of ours. Each must be parked, and
// nothing else.
func foreignMessages(ctx context.Context, p *Play) (int64, error) {
	parked := func(ctx context.Context) (int64, error) {
		return count(ctx, p.books, "SELECT COUNT(*) FROM parked_messages WHERE state = 'parked'")
	}
	all, err := p.expects(ctx, foreignEach*settlement.DefaultQueues, "messages parked", parked)
	if err != nil {
		return 0, err
	}

	var sent int64
	for queue := range settlement.DefaultQueues {
		bodies := []string{
			"not JSON", "{}", `{"version":99,"type":"settle"}`, `{"version":1,"type":"settle"}`,
			oversized(p.draw),
			fmt.Sprintf(`{"version":1,"type":"steal","payment_no":%q,"order_id":%q,"seq":1}`, key(), key()),
			fmt.Sprintf(`{"version":1,"type":"settle","payment_no":%q,"order_id":%q,"seq":-1,"account_id":%q,"amount":{"currency":"CNY","minor":1}}`,
				key(), key(), p.wallets[0]),
			fmt.Sprintf(`{"version":1,"type":"settle","payment_no":%q,"order_id":%q,"seq":1,"account_id":%q,"amount":{"currency":"CNY","minor":-5}}`,
				key(), key(), p.wallets[0]),
		}

		keys, err := p.publish(ctx, settlement.TopicSettlement, queue, bodies...)
		p.mayPark(keys...)
		if err != nil {
			return 0, err
		}
		sent += int64(len(bodies))
	}

	_, err = p.came(ctx, all)
	return sent, err
}

// foreignEach is how many foreign messages each queue gets.
const foreignEach = 8

// oversized is JSON that is larger than any instruction.
func oversized(draw *rand.Rand) string {
	junk := make([]byte, 1<<20)
	for i := range junk {
		junk[i] = "abcdefghijklmnopqrstuvwxyz"[draw.IntN(26)]
	}
	return fmt.Sprintf(`{"version":1,"type":"settle","junk":"%s"}`, junk)
}

// threeSteps returns instructions that order-service never gave: they settle an order, refund it
// and settle it again.
func threeSteps(order, wallet string) []settlement.Instruction {
	three := make([]settlement.Instruction, 3)
	for i := range three {
		three[i] = settlement.Instruction{
			Version: settlement.Version, Type: settlement.Settle, PaymentNo: key(), OrderID: order,
			Seq:       int64(i + 1),
			AccountID: wallet, Amount: cny(100), RequestedAt: time.Now(),
		}
	}
	three[1].Type = settlement.Refund
	return three
}

// instruct publishes instructions of one order, one after the other, in the queue of the order, and
// returns their keys.
func (p *Play) instruct(
	ctx context.Context, order string, instructions []settlement.Instruction,
) (keys []string, err error) {
	return publishOf(ctx, p, settlement.TopicSettlement, order, instructions)
}

// publishOf publishes messages of one order, one after the other, in the queue of the order, and
// returns their keys.
func publishOf[M any](
	ctx context.Context, p *Play, topic, order string, messages []M,
) (keys []string, err error) {
	bodies := make([]string, 0, len(messages))
	for _, m := range messages {
		body, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, string(body))
	}
	return p.publish(ctx, topic, outbox.QueueOf(order, settlement.DefaultQueues), bodies...)
}

// asSent is a message of an order as its sender publishes it.
func asSent(topic, order, number, tag string, message any) (rocketmq.Delivery, error) {
	body, err := json.Marshal(message)
	return rocketmq.Delivery{
		Topic: topic, Queue: outbox.QueueOf(order, settlement.DefaultQueues), Key: number, ShardingKey: order,
		Tag: tag, Body: body,
	}, err
}

// outOfOrder has each of its orders settled, refunded and settled again by messages that come in
// any order. Once the three sequences are taken, a stranger's instruction claims each of them, and
// one payment number comes again with another amount.
func outOfOrder(ctx context.Context, p *Play) (sent int64, err error) {
	const orders, least = 30, 15
	waited, err := p.expects(ctx, least, "instructions that waited for their predecessor and were released",
		p.released)
	if err != nil {
		return 0, err
	}

	var last []string
	for range orders {
		order := key()
		three := threeSteps(order, p.wallets[p.draw.IntN(rich)])
		last = append(last, three[2].PaymentNo)
		p.draw.Shuffle(len(three), func(i, j int) { three[i], three[j] = three[j], three[i] })

		stranger, dearer := three[0], three[0]
		for seq := range int64(3) {
			stranger.PaymentNo, stranger.Type, stranger.Seq = key(), settlement.Settle, seq+1
			three = append(three, stranger)
		}
		dearer.Amount.Minor++
		three = append(three, dearer)

		if err := p.aheadAlone(ctx, three[0]); err != nil {
			return 0, err
		}
		keys, err := p.instruct(ctx, order, three[1:])
		p.mayPark(keys[min(2, len(keys)):]...) // the stranger's messages are for an operator
		if err != nil {
			return 0, err
		}
		sent += int64(len(three))
	}

	if !p.power.On() { // nothing was published
		_, err := p.came(ctx, waited)
		return sent, err
	}
	for _, no := range last {
		err := p.decidedAs(ctx, no, settlement.Paid)
		if err != nil {
			p.violated(checker.Violation{
				Invariant: checker.Lost, What: "an instruction that came out of order was not carried out",
				PaymentNo: no, Row: err.Error(),
			})
			break
		}
	}

	_, err = p.came(ctx, waited)
	return sent, err
}

// aheadAlone publishes an instruction. If it is ahead of its order, aheadAlone returns when
// payment-service keeps it as waiting. In one batch with its predecessor it would not have to wait.
func (p *Play) aheadAlone(ctx context.Context, in settlement.Instruction) error {
	if _, err := p.instruct(ctx, in.OrderID, []settlement.Instruction{in}); err != nil {
		return err
	}
	if in.Seq == 1 || !p.power.On() {
		return nil
	}

	err := p.reaches(ctx, p.books, 1,
		"SELECT COUNT(*) FROM parked_messages WHERE payment_no = ? AND state = 'waiting'", in.PaymentNo)
	if err == nil || ctx.Err() != nil {
		return err
	}
	p.violated(checker.Violation{
		Invariant: checker.Lost, What: "an instruction that came out of order was not carried out",
		PaymentNo: in.PaymentNo, Row: err.Error(),
	})
	return fmt.Errorf("%w: %w", errNoEffect, err)
}
