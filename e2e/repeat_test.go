package e2e_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"

	"settlement/e2e/client"
	"settlement/e2e/stack/service"
	"settlement/e2e/traffic"
	"settlement/shared/outbox"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// publisher is a foreign program that publishes on the settlement topic.
type publisher struct {
	t  *testing.T
	mq *rocketmq.Producer
}

func openPublisher(t *testing.T) *publisher {
	t.Helper()
	mq, err := rocketmq.NewProducer(rocketmq.ProducerConfig{
		Namesrv: running.NamesrvAddr, Group: "foreign", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mq.Close() })
	return &publisher{t: t, mq: mq}
}

func (p *publisher) send(queue int, body string) {
	p.t.Helper()
	_, err := p.mq.SendBatch(p.t.Context(), settlement.TopicSettlement, queue, settlement.DefaultQueues,
		[]rocketmq.Message{{
			Topic: settlement.TopicSettlement, Queue: queue, Key: "foreign", Body: []byte(body),
		}})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *publisher) instruct(in settlement.Instruction) {
	p.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		p.t.Fatal(err)
	}
	p.send(outbox.QueueOf(in.OrderID, settlement.DefaultQueues), string(body))
}

func instruction(
	t settlement.InstructionType, a client.Accepted, wallet string, minor int64,
) settlement.Instruction {
	return settlement.Instruction{
		Version: settlement.Version, Type: t, PaymentNo: a.PaymentNo, OrderID: a.OrderID, Seq: a.Seq,
		AccountID: wallet, Amount: cny(minor),
	}
}

func TestEveryMessageOneToFiveTimes(t *testing.T) {
	s := openShop(t)
	wallet := s.wallet(1_000_000)
	repeater, err := traffic.NewRepeater(t.Context(), running.NamesrvAddr, settlement.TopicSettlement, 4, 1)
	if err != nil {
		t.Fatal(err)
	}

	orders := s.orders(100, wallet, 100)
	s.settleAll(orders, noChaos)
	for _, id := range orders {
		s.wantStatus(id, "paid", quickly)
	}

	s.quiet(quickly)
	if err := repeater.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := repeater.Published(); n < 100 {
		t.Fatalf("only %d repeats were published: that tests nothing", n)
	}
	seen, err := repeater.Seen()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range seen {
		if !slices.Contains(orders, d.ShardingKey) {
			t.Fatalf("repeated a message of order %s, stored at %s, before the repeater began",
				d.ShardingKey, d.StoredAt)
		}
	}
	s.wantBooksRight(quickly)
	s.wantBalance(wallet, 1_000_000-100*100)
}

// The refund and the settle message come again after the order was refunded, and foreign messages
// claim places of the order that are taken. Then the order is settled anew.
func TestOldMessagesChangeNothing(t *testing.T) {
	s := openShop(t)
	raw := openPublisher(t)
	wallet := s.wallet(10_000)
	order := s.order(wallet, 1000)
	settled := s.settle(order)
	s.wantStatus(order, "paid", quickly)
	refunded, err := s.api.Refund(t.Context(), key(), order)
	if err != nil {
		t.Fatal(err)
	}
	s.wantStatus(order, "refunded", quickly)

	raw.instruct(instruction(settlement.Refund, refunded, wallet, 1000))
	raw.instruct(instruction(settlement.Settle, settled, wallet, 1000))
	for seq := int64(1); seq <= 2; seq++ {
		raw.instruct(instruction(settlement.Settle,
			client.Accepted{OrderID: order, PaymentNo: key(), Seq: seq}, wallet, 1000))
	}

	s.quiet(quickly)
	s.wantBalance(wallet, 10_000)
	if n := s.count("SELECT COUNT(*) FROM payment_numbers WHERE order_id = ?", order); n != 2 {
		t.Errorf("%d payment numbers were recorded for the order, want 2", n)
	}
	if n := s.count("SELECT COUNT(*) FROM parked_messages WHERE order_id = ? AND state = 'parked' AND cause"+
		" = 'conflict'", order); n != 2 {
		t.Errorf("%d instructions were parked as conflicts, want 2: those that take a place with another number",
			n)
	}
	s.wantStatus(order, "refunded", quickly)

	s.settle(order)
	s.wantStatus(order, "paid", quickly)
	s.wantBalance(wallet, 9000)
	s.wantBooksRight(quickly)
}

func TestAnInstructionAheadOfItsPredecessorWaits(t *testing.T) {
	s := openShop(t)
	raw := openPublisher(t)
	wallet := s.wallet(10_000)
	order := key() // of another shop
	settle := instruction(settlement.Settle, client.Accepted{OrderID: order, PaymentNo: key(), Seq: 1},
		wallet, 1000)
	refund := instruction(settlement.Refund, client.Accepted{OrderID: order, PaymentNo: key(), Seq: 2},
		wallet, 1000)

	raw.instruct(refund)
	s.quiet(quickly)
	if n := s.count("SELECT COUNT(*) FROM parked_messages WHERE order_id = ? AND state = 'waiting'",
		order); n != 1 {
		t.Fatalf("%d messages of the order wait, want 1", n)
	}

	raw.instruct(settle)
	s.quiet(quickly)
	if n := s.count("SELECT COUNT(*) FROM payment_numbers WHERE order_id = ? AND outcome IN ('paid',"+
		" 'refunded')", order); n != 2 {
		t.Errorf("%d instructions of the order were carried out, want 2", n)
	}
	s.wantBalance(wallet, 10_000)
	s.wantBooksRight(quickly)
}

func TestAServiceKilledUnderLoad(t *testing.T) {
	for _, name := range []string{service.Payment, service.Order} {
		t.Run(name, func(t *testing.T) {
			s := openShop(t)
			const n = 200
			wallet := s.wallet(n * 100)
			orders := s.orders(n, wallet, 100)

			service := running.Service(name)
			s.settleAll(orders, func(ctx context.Context) error {
				if err := s.firstDecided(ctx, wallet); err != nil { // some are done, most are not
					return err
				}
				if err := service.Kill(); err != nil {
					return err
				}
				if err := service.Start(ctx); err != nil {
					return err
				}
				return service.WaitReady(ctx)
			})

			for _, id := range orders {
				s.wantStatus(id, "paid", recovery)
			}
			s.wantBooksRight(recovery)
			s.wantBalance(wallet, 0)
		})
	}
}

// A graceful restart in the middle of a stream repeats nothing: what is decided once is
// delivered once.
func TestAGracefulRestartRepeatsNothing(t *testing.T) {
	s := openShop(t)
	s.quiet(quickly)
	wallet := s.wallet(1_000_000)
	orders := s.orders(100, wallet, 100)

	stored, err := traffic.Read(t.Context(), s.admin, settlement.TopicSettlement, settlement.GroupPayment)
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := traffic.Read(t.Context(), s.admin, settlement.TopicOutcome, settlement.GroupOrder)
	if err != nil {
		t.Fatal(err)
	}

	s.settleAll(orders, func(ctx context.Context) error {
		for _, name := range []string{service.Payment, service.Order} {
			service := running.Service(name)
			if err := service.Restart(ctx); err != nil {
				return err
			}
			if err := service.WaitReady(ctx); err != nil {
				return err
			}
		}
		return nil
	})

	for _, id := range orders {
		s.wantStatus(id, "paid", quickly)
	}
	s.wantBooksRight(quickly)

	for topic, c := range map[string]struct {
		group  string
		before int64
	}{
		settlement.TopicSettlement: {settlement.GroupPayment, stored.Stored},
		settlement.TopicOutcome:    {settlement.GroupOrder, outcomes.Stored},
	} {
		after, err := traffic.Read(t.Context(), s.admin, topic, c.group)
		if err != nil {
			t.Fatal(err)
		}
		if n := after.Stored - c.before; n != 100 {
			t.Errorf("%d messages on topic %s for 100 instructions: a relay sent some again", n, topic)
		}
	}
}
