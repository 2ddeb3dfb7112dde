package cases

import (
	"context"
	"errors"
	"fmt"

	"settlement/e2e/faults"
	"settlement/e2e/traffic"
	"settlement/e2e/wait"
	"settlement/shared/rocketmq"
)

var producerCases = []Case{
	{
		Name: "send-answer-lost", From: fromProducer,
		Title: Text{
			EN: "The broker stores a batch, and every third answer to the relay is lost: it sends again.",
			ZH: "broker 存下一批消息，每三个给 relay 的应答丢一个：relay 再发一次。",
		},
		Then: Text{
			EN: "the relay sends it again; absorbed by the payment number",
			ZH: "relay 再发一次；由支付单号去重",
		},
		run: sendAnswerLost(settlements),
	},
	{
		Name: "sends-doubled", From: fromProducer,
		Title: Text{
			EN: "Every second send reaches the broker twice.",
			ZH: "每两次发送就有一次到达 broker 两遍。",
		},
		Then: Text{
			EN: "the copy is found and changes nothing",
			ZH: "第二份被认出，什么都不改",
		},
		run: sendsDoubled(settlements),
	},
	{
		Name: "relay-killed-after-send", From: fromProducer,
		Title: Text{
			EN: "The relay dies after the broker stored its messages and before it deleted them from the outbox.",
			ZH: "broker 已存下消息，relay 还没从发件箱删掉就崩溃。",
		},
		Then: Text{
			EN: "it is sent again, under another message id; absorbed by the payment number",
			ZH: "换一个消息 ID 再发一次；由支付单号去重",
		},
		run: relayKilled(settlements),
	},
	{
		Name: "two-relays", From: fromProducer,
		Title: Text{
			EN: "order-service is frozen while its relay holds the lease, a second instance takes over, the first one wakes.",
			ZH: "order-service 的 relay 持有租约时被冻住，另一个实例接手，前一个又醒来。",
		},
		Then: Text{
			EN: "one sends at a time; what comes twice is absorbed",
			ZH: "同一时刻只有一个在发；重复的被去重",
		},
		Tests: []string{
			"shared/outbox/relay_test.go:TestTwoRelaysSendOneAtATime",
		},
		run: twoRelays,
	},
	{
		Name: "shuffled-repeats", From: fromProducer,
		Title: Text{
			EN: "Each settlement message is delivered one to five times, and all of them again in shuffled order.",
			ZH: "每条结算消息投递一到五次，之后全部打乱顺序再来一遍。",
		},
		Then: Text{
			EN: "one debit each",
			ZH: "每条只扣一次款",
		},
		run: shuffledRepeats(settlements),
	},
	{
		Name: "foreign-messages", From: fromProducer,
		Title: Text{
			EN: "Oversized, malformed, unknown and foreign messages are on the settlement topic.",
			ZH: "结算 topic 上有超大的、格式错误的、版本未知的和外来的消息。",
		},
		Then: Text{
			EN: "parked at once; the queue goes on",
			ZH: "立即搁置；队列继续消费",
		},
		Tests: []string{
			"payment-service/internal/listener/listener_test.go:TestAnyMessageCanBeParked",
		},
		run: foreignMessages,
	},
	{
		Name: "instruction-committed-late", From: fromProducer,
		Title: Text{
			EN: "Every third instruction is committed two seconds late: the relay has sent rows with larger ids by then.",
			ZH: "每三条指令有一条晚两秒提交：那时 relay 已经发出 id 更大的行。",
		},
		Then: Text{
			EN: "it is sent by the next round; nothing depends on the last id",
			ZH: "下一轮发出；不依赖“上次发到哪个 id”",
		},
		Tests: []string{
			"shared/outbox/relay_test.go:TestASmallerIDCommittedLaterIsSent",
		},
		run: showing(5, "instructions stored behind one that was asked for later", overtaken,
			statementsBroken(orderSide, 20, func(*Play) *faults.SQLRule {
				return &faults.SQLRule{
					Touching: acceptTx, Also: acceptKey, At: faults.BeforeCommit, Every: 3, Do: faults.Hold,
					For: committedLate,
				}
			})),
	},
	{
		Name: "out-of-order", From: fromProducer,
		Title: Text{
			EN: "Another shop's instructions come in shuffled order, and strangers claim places of its orders that are taken, and numbers for another amount.",
			ZH: "另一家店的指令乱序到达，外人又冒占它的订单已有的位置，并用已有的支付单号报另一个金额。",
		},
		Then: Text{
			EN: "the early one waits in `parked_messages` and is settled right behind its predecessor; the stranger's are parked as conflicts ([kept for an operator](../payment-service/README.md#when-a-message-cannot-be-settled))",
			ZH: "早到的在 `parked_messages` 里等着，前一条一结算就紧跟着结算；外人的作为冲突搁置（parked，即[留待人工处理](../payment-service/README.zh-CN.md#消息结算不了时)）",
		},
		Tests: []string{
			"e2e/repeat_test.go:TestAnInstructionAheadOfItsPredecessorWaits",
			"payment-service/internal/listener/conflict_test.go:TestAConflictIsParkedAndTold",
		},
		run: outOfOrder,
	},
	{
		Name: "refund-overtakes", From: fromProducer,
		Title: Text{
			EN: "Customers cancel while their orders are settling, and the refund comes before the settle that it was asked behind.",
			ZH: "顾客在订单还在结算时取消，退款跑到了它该跟在后面的结算前面。",
		},
		Then: Text{
			EN: "it waits for it: paid and then refunded, or not paid and nothing to refund; nobody is charged for a cancelled order",
			ZH: "退款等着结算：先付后退；没付成就无可退。谁也不会为已取消的订单付钱",
		},
		Tests: []string{
			"order-service/internal/store/refund_test.go:TestACancelledOrderTakesBothOutcomesInSequence",
		},
		run: refundOvertakes,
	},
	{
		Name: "parts-doubled", From: fromProducer,
		Title: Text{
			EN: "Orders are refunded in parts, and every second send of an instruction reaches the broker twice.",
			ZH: "订单分几次退款，指令的发送每两次就有一次到达 broker 两遍。",
		},
		Then: Text{
			EN: "each part once, until nothing is left",
			ZH: "每一部分只退一次，直到退完",
		},
		Tests: []string{
			"payment-service/internal/payment/ledger_test.go:TestPartsAreRefundedUpToWhatWasPaid",
		},
		run: partsDoubled,
	},
	{
		Name: "copies-on-other-queues", From: fromProducer,
		Title: Text{
			EN: "Each settlement message comes again on another queue while the first one is being settled.",
			ZH: "每条结算消息正在结算时，另一个队列上又来一份。",
		},
		Then: Text{
			EN: "no queue lock helps; one wins at a unique key, the other runs again and finds it",
			ZH: "队列锁帮不上忙；一个在唯一键上胜出，另一个重跑并查到已有记录",
		},
		Tests: []string{
			"payment-service/internal/store/settle_batch_test.go:TestDuplicateKeyRace",
			"payment-service/internal/store/rivals_test.go:TestRivalsOnNewOrders",
		},
		run: copiesOnOtherQueues,
	},
	{
		Name: "outcome-send-answer-lost", From: fromProducer,
		Title: Text{
			EN: "The same for outcomes: every third answer to the relay of payment-service is lost.",
			ZH: "结果消息也一样：给 payment-service 的 relay 的应答每三个丢一个。",
		},
		Then: Text{
			EN: "the relay sends it again; absorbed by the payment number",
			ZH: "relay 再发一次；由支付单号去重",
		},
		run: sendAnswerLost(outcomes),
	},
	{
		Name: "outcome-sends-doubled", From: fromProducer,
		Title: Text{
			EN: "Every second send of outcomes reaches the broker twice.",
			ZH: "发送结果时，每两次就有一次到达 broker 两遍。",
		},
		Then: Text{
			EN: "the copy is found and changes nothing",
			ZH: "第二份被认出，什么都不改",
		},
		run: sendsDoubled(outcomes),
	},
	{
		Name: "outcome-relay-killed-after-send", From: fromProducer,
		Title: Text{
			EN: "payment-service dies after the broker stored outcomes and before it deleted them from the outbox.",
			ZH: "broker 已存下结果，payment-service 还没从发件箱删掉就崩溃。",
		},
		Then: Text{
			EN: "it is sent again, under another message id; absorbed by the payment number",
			ZH: "换一个消息 ID 再发一次；由支付单号去重",
		},
		run: relayKilled(outcomes),
	},
	{
		Name: "outcome-shuffled-repeats", From: fromProducer,
		Title: Text{
			EN: "Each outcome is delivered one to five times, and all of them again in shuffled order.",
			ZH: "每条结果投递一到五次，之后全部打乱顺序再来一遍。",
		},
		Then: Text{
			EN: "each is applied once",
			ZH: "每条只生效一次",
		},
		run: shuffledRepeats(outcomes),
	},
	{
		Name: "foreign-outcomes", From: fromProducer,
		Title: Text{
			EN: "Outcomes that payment-service never gave are on the outcome topic, before the true ones and after them.",
			ZH: "结果 topic 上有 payment-service 从未给出的结果，有的在真结果之前，有的在之后。",
		},
		Then: Text{
			EN: "each is parked in order-service; the order keeps or gets its true outcome",
			ZH: "一律在 order-service 搁置；订单只按真正的结果变更",
		},
		Tests: []string{
			"order-service/internal/store/store_test.go:TestForeignOutcomesAreParkedAndChangeNothing",
		},
		run: foreignOutcomes,
	},
	{
		Name: "outcome-overtakes", From: fromProducer,
		Title: Text{
			EN: "Customers cancel while their orders are settling, and the refund's outcome comes before the settle's.",
			ZH: "顾客在订单还在结算时取消，退款的结果先于结算的结果到达。",
		},
		Then: Text{
			EN: "it waits in `parked_messages` of the orders database until the settle's outcome has been applied, and follows within a minute",
			ZH: "它先在订单库的 `parked_messages` 里等；结算的结果生效后，一分钟内轮到它生效",
		},
		Tests: []string{
			"order-service/internal/store/refund_test.go:TestACancelledOrderTakesBothOutcomesInSequence",
		},
		run: outcomeOvertakes,
	},
	{
		Name: "journal-send-answer-lost", From: fromProducer,
		Title: Text{
			EN: "The same for the journal, which is in global order.",
			ZH: "全局有序的审计流水也一样：发送的应答丢了。",
		},
		Then: Text{
			EN: "they are on the topic twice; the auditor knows a copy by its place and its hash",
			ZH: "topic 上有两份；审计者凭位置和哈希认出副本",
		},
		run: sendAnswerLost(journal),
	},
	{
		Name: "backlog-longer-than-a-batch", From: fromProducer,
		Title: Text{
			EN: "Sends of points fail while more changes of one customer come than one batch holds: they go out in several.",
			ZH: "积分发不出去时，同一顾客的变更多过一批能装的：分几批发出。",
		},
		Then: Text{
			EN: "they go out in several batches, in sequence",
			ZH: "分几批依次发出",
		},
		run: backlog,
	},
}

func sendAnswerLost(l line) run {
	const answers = 4
	return showing(answers, againOn(l.topic), storedAgain(l.topic),
		framesBroken(l.producer, answers, func(*Play) *faults.FrameRule {
			return &faults.FrameRule{
				Codes: sends, Topic: l.topic, Every: 3, Limit: answers, Do: faults.DropAnswer,
			}
		}))
}

func sendsDoubled(l line) run {
	const times = 20
	return showing(times, againOn(l.topic), storedAgain(l.topic),
		framesBroken(l.producer, times, func(*Play) *faults.FrameRule {
			return &faults.FrameRule{Codes: sends, Topic: l.topic, Every: 2, Do: faults.Twice}
		}))
}

func shuffledRepeats(l line) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		timesMax := 4
		if !p.power.On() {
			timesMax = 0
		}
		repeater, err := traffic.NewRepeater(ctx, p.NamesrvAddr, l.topic, timesMax, p.draw.Uint64())
		if err != nil {
			return 0, err
		}

		const rounds, each = 3, 40
		found, err := p.expects(ctx, rounds*each, "repeats found by their payment number", l.repeats(p))
		if err != nil {
			return 0, errors.Join(err, repeater.Stop())
		}

		for round := range rounds {
			if err := p.shuffle(ctx, repeater, each*(round+1)); err != nil {
				return 0, errors.Join(err, repeater.Stop())
			}
		}

		if err := repeater.Stop(); err != nil {
			return 0, err
		}
		_, err = p.came(ctx, found)
		return repeater.Published(), err
	}
}

// shuffledMost is how many messages are published again at once.
const shuffledMost = 500

// shuffle waits until n messages were seen, and publishes them, shuffledMost at most, in shuffled
// order: old messages meet new ones of their orders.
func (p *Play) shuffle(ctx context.Context, repeater *traffic.Repeater, n int) error {
	var seen []rocketmq.Delivery
	err := wait.For(ctx, momentLimit, func(context.Context) (err error) {
		if seen, err = repeater.Seen(); err != nil {
			return err
		}
		if len(seen) < n {
			return fmt.Errorf("%d messages were seen, want %d", len(seen), n)
		}
		return nil
	})
	if err != nil {
		return err
	}

	seen = seen[:min(len(seen), shuffledMost)]
	p.draw.Shuffle(len(seen), func(i, j int) { seen[i], seen[j] = seen[j], seen[i] })
	p.note(fmt.Sprintf("publishing %d messages in shuffled order", len(seen)))

	for _, d := range seen {
		if err := p.power.Do(func() error { return repeater.Publish(ctx, d, 1) }); err != nil {
			return err
		}
	}
	return nil
}
