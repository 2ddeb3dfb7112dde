package main

import (
	"slices"

	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

const (
	sendThenDelete = "\tconfirmed, err := r.sendPage(ctx, g, page)\n\tg.err = errors.Join(err, r.delete(ctx, confirmed))\n"
	deleteThenSend = "\tvar ids []uint64\n\tfor _, row := range page {\n\t\tids = append(ids, row.ID)\n\t}\n" +
		"\tif g.err = r.delete(ctx, ids); g.err != nil {\n\t\treturn nil\n\t}\n" +
		"\t_, err = r.sendPage(ctx, g, page)\n\tg.err = errors.Join(err)\n"
)

var relayVersions = []version{
	{
		Name: "relay-deletes-to-the-last-id",
		Why: cases.Text{
			EN: "The relay deletes all rows of a queue up to the last one that it sent; one with a smaller id is committed meanwhile. Nobody asks again.",
			ZH: "relay 把队列里直到所发最后一个 id 的行全删掉；期间有 id 更小的行提交。没有人再问一次。",
		},
		Cases: []string{"instruction-committed-late"},
		Sees:  []string{"accepted, never decided", "accepted, and its instruction is not on the topic"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{
			{File: lanes, Find: "r.delete(ctx, confirmed))\n", Replace: "r.delete(ctx, g.lane, confirmed))\n"},
			{File: lanes, Find: "delete(ctx context.Context, ids []uint64) error {", Replace: "delete(ctx context.Context, l *lane, ids []uint64) error {"},
			{
				File: lanes, Find: "return dbtx.DeleteByID(tx, \"outbox\", ids) })",
				Replace: "\n\t\treturn tx.DB().Exec(\"DELETE FROM outbox WHERE topic = ? AND queues = ? AND queue_id = ? AND id <= ?\",\n" +
					"\t\t\tl.topic, l.queues, l.queue, slices.Max(ids)).Error\n\t})",
			},
		}),
	},
	{
		Name: "relay-deletes-before-it-sends",
		Why: cases.Text{
			EN: "The relay deletes its rows, then sends them.",
			ZH: "relay 先删行，再发送。",
		},
		Cases: []string{"broker-killed"},
		Sees:  []string{"changes of points have not taken effect", "the journal has a gap"},
		Edits: []overlay.Edit{{File: lanes, Find: sendThenDelete, Replace: deleteThenSend}},
	},
	{
		Name: "send-status-ignored",
		Why: cases.Text{
			EN: "Whatever the broker answers to a send, or does not, the messages count as sent.",
			ZH: "不管 broker 对发送应答什么、有没有应答，都算发出去了。",
		},
		Cases: []string{"broker-killed"},
		Sees:  []string{"changes of points have not taken effect", "the journal has a gap"},
		Edits: []overlay.Edit{
			{File: producer, Find: "\tif err = outcome(result, err); err != nil {\n\t\treturn 0, err\n\t}\n", Replace: "\tif err = outcome(result, err); err != nil {\n\t\treturn 0, nil\n\t}\n"},
			{File: producer, Find: "\t\terr = fmt.Errorf(\"%w: %w\", ErrOutcomeUnknown, ctx.Err())\n", Replace: ""},
		},
	},
	{
		Name: "outbox-in-its-own-transaction",
		Why: cases.Text{
			EN: "The order is changed in one transaction. Its message is added to the outbox, and noted as unanswered, in a second one.",
			ZH: "订单在一个事务里改。它的消息在另一个事务里写进发件箱、记为待答。",
		},
		Cases: []string{"order-service-killed-after-commit"},
		Sees:  []string{"accepted, never decided"},
		Edits: []overlay.Edit{
			{File: instruct, Find: "\tnow := s.now()\n\taccepted, err :=", Replace: "\tnow := s.now()\n\tvar later *settlement.Instruction\n\taccepted, err :="},
			{
				File: instruct, Find: "\t\tif err := s.addInstruction(tx, now, message, traceparent); err != nil {\n\t\t\treturn order.Accepted{}, err\n\t\t}\n" +
					"\t\tif err := expectAnswer(tx, message, traceparent); err != nil {\n\t\t\treturn order.Accepted{}, err\n\t\t}\n",
				Replace: "\t\tlater = &message\n",
			},
			{
				File: instruct, Find: "\tif err == nil {\n\t\ts.wake()\n",
				Replace: "\tif err == nil && later != nil {\n\t\terr = s.pool.Run(ctx, func(tx dbtx.Tx) error {\n" +
					"\t\t\tif err := s.addInstruction(tx, now, *later, traceparent); err != nil {\n\t\t\t\treturn err\n\t\t\t}\n" +
					"\t\t\treturn expectAnswer(tx, *later, traceparent)\n\t\t})\n\t}\n" +
					"\tif err == nil {\n\t\ts.wake()\n",
			},
		},
	},
	{
		Name: "two-relays-without-lease",
		Why: cases.Text{
			EN: "Two relays send at the same time, each row twice. What absorbs that is gone too: order-service adds whatever outcome comes to its payments, which have no unique index.",
			ZH: "两个 relay 同时发，每行发两遍。消化它的东西也拿掉了：order-service 把来的任何结果都加进没有唯一索引的 payments。",
		},
		Cases: []string{"consumers-come-and-go"},
		Sees:  []string{"an outcome was applied more than once"},
		Edits: []overlay.Edit{
			{File: lease, Find: "\t\tgot = res.RowsAffected == 1\n", Replace: "\t\tgot = true\n"},
			{File: apply, Find: anyRecorded, Replace: noneRecorded},
			{
				File: apply, Find: "\tafter, of, err := o.Apply(out, b.now)\n",
				Replace: "\tafter, of, err := o.Apply(out, b.now)\n\tif _, again := b.recorded[out.PaymentNo]; again {\n" +
					"\t\tafter, of, err = o, settlement.Settle, nil\n\t}\n",
			},
			{
				File: "migrations/order/00001_settlement.sql", Find: "    PRIMARY KEY (payment_no),\n    UNIQUE KEY payments_by_order",
				Replace: "    KEY payments_by_payment_no (payment_no),\n    KEY payments_by_order",
			},
		},
	},
	{
		Name: "queue-not-fixed",
		Why: cases.Text{
			EN: "The queue of a message is not chosen by its order: an order's instructions take different ways.",
			ZH: "消息的队列不由订单决定：同一订单的指令走不同的路。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"an order's messages are in two queues"},
		Edits: []overlay.Edit{
			{File: "shared/outbox/outbox.go", Find: "topics.queueOf(m.Topic, m.ShardingKey)", Replace: "topics.queueOf(m.Topic, m.Key)"},
		},
	},
}
