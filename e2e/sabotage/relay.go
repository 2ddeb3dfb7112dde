package main

import "settlement/e2e/overlay"

const (
	sendThenDelete = "\tconfirmed, err := r.sendPage(ctx, g, page)\n\tg.err = errors.Join(err, r.delete(ctx, confirmed))\n"
	deleteThenSend = "\tvar ids []uint64\n\tfor _, row := range page {\n\t\tids = append(ids, row.ID)\n\t}\n" +
		"\tif g.err = r.delete(ctx, ids); g.err != nil {\n\t\treturn nil\n\t}\n" +
		"\t_, err = r.sendPage(ctx, g, page)\n\tg.err = errors.Join(err)\n"
)

var relayVersions = []version{
	{
		Name:  "relay-deletes-to-the-last-id",
		Why:   "The relay deletes all rows up to the last one that it sent; one with a smaller id is committed meanwhile.",
		Cases: []string{"instruction-committed-late"},
		Sees:  []string{"accepted, never decided", "accepted, and its instruction is not on the topic"},
		Edits: []overlay.Edit{
			{
				File: lane, Find: "return dbtx.DeleteByID(tx, \"outbox\", ids) })",
				Replace: "return tx.DB().Exec(\"DELETE FROM outbox WHERE id <= ?\", slices.Max(ids)).Error })",
			},
		},
	},
	{
		Name:  "relay-deletes-before-it-sends",
		Why:   "The relay deletes its rows, then sends them.",
		Cases: []string{"broker-killed"},
		Sees:  []string{"accepted, never decided", "decided, never applied to its order"},
		Edits: []overlay.Edit{{File: lane, Find: sendThenDelete, Replace: deleteThenSend}},
	},
	{
		Name:  "send-status-ignored",
		Why:   "Whatever the broker answers to a send, or does not, the messages count as sent.",
		Cases: []string{"broker-killed"},
		Sees:  []string{"accepted, never decided", "decided, never applied to its order"},
		Edits: []overlay.Edit{
			{File: producer, Find: "\treturn outcome(p.client.SendSync(ctx, batch...))\n", Replace: "\t_ = outcome(p.client.SendSync(ctx, batch...))\n\treturn nil\n"},
			{File: producer, Find: "\t\terr = fmt.Errorf(\"%w: %w\", ErrOutcomeUnknown, ctx.Err())\n", Replace: ""},
		},
	},
	{
		Name:  "outbox-in-its-own-transaction",
		Why:   "The order is changed in one transaction and its message added to the outbox in a second one.",
		Cases: []string{"order-service-killed-after-commit"},
		Sees:  []string{"accepted, never decided"},
		Edits: []overlay.Edit{
			{File: instruct, Find: "\tnow := s.now()\n\taccepted, err :=", Replace: "\tnow := s.now()\n\tvar later *settlement.Instruction\n\taccepted, err :="},
			{
				File: instruct, Find: "\t\tif err := s.addInstruction(tx, now, message, traceparent); err != nil {\n\t\t\treturn order.Accepted{}, err\n\t\t}\n",
				Replace: "\t\tlater = &message\n",
			},
			{
				File: instruct, Find: "\tif err == nil {\n\t\ts.wake()\n",
				Replace: "\tif err == nil && later != nil {\n\t\terr = s.pool.Run(ctx, func(tx dbtx.Tx) error { return s.addInstruction(tx, now, *later, traceparent) })\n\t}\n" +
					"\tif err == nil {\n\t\ts.wake()\n",
			},
		},
	},
	{
		Name: "two-relays-without-lease",
		Why: "Two relays send at the same time, each row twice. What absorbs that is gone too: order-service adds whatever " +
			"outcome comes to its payments, which have no unique index.",
		Cases: []string{"consumers-come-and-go"},
		Sees:  []string{"outcomes were not applied one for each sequence"},
		Edits: []overlay.Edit{
			{File: lease, Find: "\t\tgot = res.RowsAffected == 1\n", Replace: "\t\tgot = true\n"},
			{File: apply, Find: "\t\t\tcase seen[out.PaymentNo]:\n", Replace: "\t\t\tcase false:\n"},
			{File: apply, Find: "\t\t\tcase !known || !fits:\n", Replace: "\t\t\tcase !known || !fits && !seen[out.PaymentNo]:\n"},
			{
				File: "migrations/order/00001_settlement.sql", Find: "    PRIMARY KEY (payment_no),\n    UNIQUE KEY payments_by_order",
				Replace: "    KEY payments_by_payment_no (payment_no),\n    KEY payments_by_order",
			},
		},
	},
	{
		Name:  "queue-not-fixed",
		Why:   "The queue of a message is not chosen by its order: an order's instructions take different ways.",
		Cases: []string{"sends-doubled"},
		Sees:  []string{"an order's messages are in two queues"},
		Edits: []overlay.Edit{
			{File: "shared/outbox/outbox.go", Find: "topics.queueOf(m.Topic, m.ShardingKey)", Replace: "topics.queueOf(m.Topic, m.Key)"},
		},
	},
}
