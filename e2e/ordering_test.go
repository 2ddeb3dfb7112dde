package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	mq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"

	"settlement/e2e/faults"
	"settlement/e2e/wait"
	"settlement/shared/outbox"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Why order needs more than a queue. Each test sends or consumes on a topic of its own, in a way
// that looks as if it kept an order's messages in their sequence, and looks on the real broker
// whether it does. Then it hands the messages on to payment-service as they arrived: the fence puts
// them right.

const (
	paradeOrders = 12
	paradeMinor  = 1000
	perOrder     = 3 // settle, refund, settle again
)

// parade is the messages of some orders on their way over a topic.
type parade struct {
	t      *testing.T
	shop   *shop
	raw    *publisher
	topic  string
	queues int
	wallet string
	orders [][]settlement.Instruction // of each order, in sequence

	mu      sync.Mutex
	arrived []arrival
}

// arrival is a message that its consumer is done with.
type arrival struct {
	settlement.Instruction
	queue int
}

func newParade(t *testing.T, queues int) *parade {
	t.Helper()
	p := &parade{t: t, shop: openShop(t), raw: openPublisher(t), topic: "parade-" + key(), queues: queues}
	p.wallet = p.shop.wallet(paradeOrders * paradeMinor)
	if err := p.shop.admin.CreateTopic(t.Context(), p.topic, queues); err != nil {
		t.Fatal(err)
	}

	for range paradeOrders {
		order, steps := key(), make([]settlement.Instruction, perOrder)
		for i := range steps {
			steps[i] = settlement.Instruction{
				Version: settlement.Version, Type: settlement.Settle, PaymentNo: key(), OrderID: order,
				Seq:       int64(i + 1),
				AccountID: p.wallet, Amount: cny(paradeMinor),
			}
		}
		steps[1].Type = settlement.Refund
		p.orders = append(p.orders, steps)
	}
	return p
}

func (p *parade) encode(in settlement.Instruction) []byte {
	p.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		p.t.Fatal(err)
	}
	return body
}

// send publishes a message and waits for the broker's answer.
func (p *parade) send(in settlement.Instruction, queue int) {
	p.t.Helper()
	_, err := p.raw.mq.SendBatch(p.t.Context(), p.topic, queue, p.queues,
		[]rocketmq.Message{{Topic: p.topic, Queue: queue, Key: in.PaymentNo, Body: p.encode(in)}})
	if err != nil {
		p.t.Fatal(err)
	}
}

// arrives notes that a consumer is done with a message; a repeat is not noted again.
func (p *parade) arrives(body []byte, queue int) {
	var in settlement.Instruction
	if err := json.Unmarshal(body, &in); err != nil {
		p.t.Error(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.arrived {
		if a.PaymentNo == in.PaymentNo {
			return
		}
	}
	p.arrived = append(p.arrived, arrival{in, queue})
}

// hasArrived returns nil when at least want of the wanted messages have arrived.
func (p *parade) hasArrived(want int, wanted func(arrival) bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, a := range p.arrived {
		if wanted(a) {
			n++
		}
	}

	if n < want {
		return fmt.Errorf("%d messages have arrived, want %d", n, want)
	}
	return nil
}

func whatever(arrival) bool { return true }

// consume starts the hardened orderly consumer; hold may keep a queue waiting.
func (p *parade) consume(hold func(ctx context.Context, queue int) error) {
	p.t.Helper()
	c, err := rocketmq.NewOrderlyConsumer(rocketmq.ConsumerConfig{
		Namesrv: running.NamesrvAddr, Group: p.topic, Topic: p.topic, BatchMax: 1,
		Logger: slog.New(slog.DiscardHandler),
	}, func(ctx context.Context, batch []rocketmq.Delivery) error {
		for _, d := range batch {
			if err := hold(ctx, d.Queue); err != nil {
				return err
			}
			p.arrives(d.Body, d.Queue)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}

	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}

	p.t.Cleanup(func() {
		stopping, cancel := context.WithTimeout(context.Background(), quickly)
		defer cancel()
		if err := c.Stop(stopping); err != nil {
			p.t.Error(err)
		}
	})
}

func dontHold(context.Context, int) error { return nil }

// overtaken counts the orders whose messages did not arrive in sequence.
func (p *parade) overtaken() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, wrong := map[string]int64{}, map[string]bool{}
	for _, a := range p.arrived {
		if a.Seq != last[a.OrderID]+1 {
			wrong[a.OrderID] = true
		}
		last[a.OrderID] = a.Seq
	}
	return len(wrong)
}

// ends waits until everything has arrived, hands it on to payment-service in that order, and wants
// each instruction carried out once and in sequence.
func (p *parade) ends(wantOvertaken bool) {
	p.t.Helper()
	wait.Until(p.t, recovery, func() error { return p.hasArrived(paradeOrders*perOrder, whatever) })
	n := p.overtaken()
	p.t.Logf("%d of %d orders were overtaken by their own messages", n, paradeOrders)
	if n > 0 != wantOvertaken {
		p.t.Errorf("%d orders were overtaken by their own messages; want some: %t", n, wantOvertaken)
	}

	for _, a := range p.arrived {
		p.raw.instruct(a.Instruction)
	}
	p.shop.wantDecided(p.wallet, paradeOrders*perOrder)
	p.shop.wantBalance(p.wallet, 0)
	p.shop.wantBooksRight(quickly)
}

func TestAFixedQueueAndAnOrderlyConsumerKeepOrder(t *testing.T) {
	p := newParade(t, 8)
	p.consume(dontHold)
	for step := range perOrder {
		for _, steps := range p.orders {
			p.send(steps[step], outbox.QueueOf(steps[step].OrderID, p.queues))
		}
	}
	p.ends(false)
}

// T17: queues are consumed side by side; all it takes is that one of them is slower.
func TestRoundRobinSendingBreaksOrder(t *testing.T) {
	p := newParade(t, 8)
	sent := 0
	for _, steps := range p.orders {
		for _, in := range steps {
			p.send(in, sent%p.queues)
			sent++
		}
	}

	ofOthers := sent - (sent+p.queues-1)/p.queues
	p.consume(func(ctx context.Context, queue int) error {
		if queue != 0 {
			return nil
		}
		return wait.For(ctx, recovery, func(context.Context) error {
			return p.hasArrived(ofOthers, func(a arrival) bool { return a.queue != 0 })
		})
	})
	p.ends(true)
}

// T19: every callback is looked at, and a send that failed is sent again: by then its successors
// are stored.
func TestAsynchronousSendsBreakOrder(t *testing.T) {
	p := newParade(t, 8)
	p.consume(dontHold)
	between, err := faults.NewRocketMQ(running.NamesrvAddr, running.BrokerAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = between.Close() }()

	lost := &faults.FrameRule{
		// Each time another place of an order.
		Codes: []int{faults.SendMessage, faults.SendMessageV2, faults.SendBatch}, Topic: p.topic,
		Every: perOrder + 1, Limit: 4, Do: faults.DropRequest,
	}
	between.Add(lost)

	sender, err := mq.NewProducer(producer.WithNameServer([]string{between.NamesrvAddr()}),
		producer.WithGroupName("parade"),
		producer.WithInstanceName(p.topic), producer.WithQueueSelector(producer.NewManualQueueSelector()),
		producer.WithSendMsgTimeout(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sender.Shutdown() }()

	var underWay sync.WaitGroup
	var send func(in settlement.Instruction)
	send = func(in settlement.Instruction) {
		m := primitive.NewMessage(p.topic, p.encode(in))
		m.Queue = &primitive.MessageQueue{
			Topic: p.topic, BrokerName: p.broker(), QueueId: outbox.QueueOf(in.OrderID, p.queues),
		}
		underWay.Add(1)
		err := sender.SendAsync(t.Context(),
			func(_ context.Context, result *primitive.SendResult, err error) {
				defer underWay.Done()
				if err != nil || result.Status != primitive.SendOK {
					send(in)
				}
			}, m)
		if err != nil {
			t.Error(err)
			underWay.Done()
		}
	}

	for _, steps := range p.orders {
		for _, in := range steps {
			send(in)
		}
	}
	underWay.Wait()

	if lost.Fired() == 0 {
		t.Fatal("no send was lost: that tests nothing")
	}
	p.ends(true)
}

// broker returns the name of the only broker, as queues carry it.
func (p *parade) broker() string {
	p.t.Helper()
	route, err := p.shop.admin.Route(p.t.Context(), p.topic)
	if err != nil || len(route.Writable) == 0 {
		p.t.Fatalf("route of %s: %v, %v", p.topic, route, err)
	}
	return route.Writable[0].Broker
}

// T20: an order's messages are sent one after the other to one queue, and the consumer is not
// orderly. A message whose handler takes longer is passed by the next of its queue.
func TestAConcurrentConsumerBreaksOrder(t *testing.T) {
	p := newParade(t, 8)
	slow := p.orders[0][0]
	c, err := mq.NewPushConsumer(consumer.WithNameServer([]string{running.NamesrvAddr}),
		consumer.WithGroupName(p.topic),
		consumer.WithInstance(p.topic), consumer.WithConsumerModel(consumer.Clustering),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	if err != nil {
		t.Fatal(err)
	}

	err = c.Subscribe(p.topic, consumer.MessageSelector{},
		func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			for _, m := range messages {
				if m.GetKeys() == slow.PaymentNo {
					err := wait.For(ctx, quickly, func(context.Context) error {
						return p.hasArrived(1, func(a arrival) bool { return a.OrderID == slow.OrderID })
					})
					if err != nil {
						t.Error(errors.Join(errors.New(
							"its successor waits for it: this consumer is orderly",
						),
							err))
					}
				}
				p.arrives(m.Body, m.Queue.QueueId)
			}
			return consumer.ConsumeSuccess, nil
		})
	if err != nil {
		t.Fatal(err)
	}

	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Shutdown() }()

	for _, steps := range p.orders {
		for _, in := range steps {
			p.send(in, outbox.QueueOf(in.OrderID, p.queues))
		}
	}
	p.ends(true)
}

// T17: the queue is hash % number of queues, and the topic is widened: an order's next message goes
// to another queue, past its own earlier ones that still wait in the old one.
func TestAChangedQueueCountBreaksOrder(t *testing.T) {
	const before, after = 2, 8
	p := newParade(t, before)
	for step := range perOrder - 1 {
		for _, steps := range p.orders {
			p.send(steps[step], outbox.QueueOf(steps[step].OrderID, before))
		}
	}

	if err := p.shop.admin.CreateTopic(t.Context(), p.topic, after); err != nil {
		t.Fatal(err)
	}
	p.queues = after
	wait.Until(t, quickly, func() error { // until the producer knows too
		first := p.orders[0][perOrder-1]
		queue := outbox.QueueOf(first.OrderID, after)
		_, err := p.raw.mq.SendBatch(t.Context(), p.topic, queue, after,
			[]rocketmq.Message{{Topic: p.topic, Queue: queue, Key: first.PaymentNo, Body: p.encode(first)}})
		return err
	})

	moved := 0
	for i, steps := range p.orders {
		last := steps[perOrder-1]
		queue := outbox.QueueOf(last.OrderID, after)
		if i > 0 {
			p.send(last, queue)
		}
		if queue >= before {
			moved++
		}
	}

	p.consume(func(ctx context.Context, queue int) error {
		if queue >= before {
			return nil
		}
		return wait.For(ctx, recovery, func(context.Context) error {
			return p.hasArrived(moved, func(a arrival) bool { return a.queue >= before })
		})
	})
	p.ends(true)
}
