package main

import (
	"slices"

	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

const (
	anyRecorded  = "recorded, applied := b.recorded[out.PaymentNo]; applied {"
	noneRecorded = "recorded, applied := b.recorded[out.PaymentNo]; applied && false {"
)

var dedupVersions = []version{
	{
		Name: "no-unique-index",
		Why: cases.Text{
			EN: "Nothing recognises a payment number that was decided: no unique index, no look-up, no fence.",
			ZH: "没有什么能认出判定过的支付单号：没有唯一索引，不查找，没有围栏。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"a payment number is there more than once", "a payment number moved an account more than once"},
		Edits: slices.Concat(noIndexes, noFence, anyProgress, noLookUp),
	},
	{
		Name: "check-then-insert",
		Why: cases.Text{
			EN: "The payment number is looked up before it is inserted, and no unique index and no fence stop who looked at the same time.",
			ZH: "先查支付单号再插入，同一时刻也在查的另一个，没有唯一索引和围栏能拦住。",
		},
		Cases: []string{"copies-on-other-queues"},
		Sees:  []string{"a payment number is there more than once", "a payment number moved an account more than once"},
		Edits: slices.Concat(noIndexes, noFence, anyProgress, []overlay.Edit{
			// A slow moment, so that on a busy machine too the copy comes before the first one is written.
			{File: batch, Find: "\tfresh := b.leaveOut(batch)\n", Replace: "\tfresh := b.leaveOut(batch)\n\ttime.Sleep(2 * time.Second)\n"},
			{File: batch, Find: "\t\"fmt\"\n", Replace: "\t\"fmt\"\n\t\"time\"\n"},
		}),
	},
	{
		Name: "unknown-commit-done-anew",
		Why: cases.Text{
			EN: "When the answer to COMMIT does not come, the batch is settled once more under new payment numbers. No fence, and an order that is paid is paid again.",
			ZH: "COMMIT 没有应答时，换新的支付单号把这一批再结算一遍。没有围栏，已付的订单再付一次。",
		},
		Cases: []string{"commit-answer-lost"},
		Sees:  []string{"an order is paid while it is paid"},
		Edits: slices.Concat(noIndexes, noFence, []overlay.Edit{
			{File: ledger, Find: "\tcase paid:\n", Replace: "\tcase paid && false:\n"},
			{
				File: batch, Find: "\tif err != nil {\n\t\treturn Summary{}, fmt.Errorf(\"settle batch",
				Replace: "\tif errors.Is(err, dbtx.ErrCommitUnknown) {\n\t\tanew := slices.Clone(batch)\n\t\tfor i := range anew {\n" +
					"\t\t\tanew[i].Message.PaymentNo = uuid.NewString()\n\t\t}\n\t\treturn s.SettleBatch(ctx, anew)\n\t}\n" +
					"\tif err != nil {\n\t\treturn Summary{}, fmt.Errorf(\"settle batch",
			},
			{File: batch, Find: "\t\"fmt\"\n", Replace: "\t\"errors\"\n\t\"fmt\"\n\t\"slices\"\n"},
			{File: batch, Find: "\t\"settlement/payment-service/internal/payment\"\n", Replace: "\t\"github.com/google/uuid\"\n\n\t\"settlement/payment-service/internal/payment\"\n"},
		}),
	},
	{
		Name: "dedup-row-in-its-own-transaction",
		Why: cases.Text{
			EN: "The payment number is committed first, and the money is moved in a second transaction.",
			ZH: "先提交支付单号，再在另一个事务里动钱。",
		},
		Cases: []string{"payment-service-killed-after-commit"},
		Sees:  []string{"a payment number has not the entries that its outcome asks for"},
		Edits: []overlay.Edit{
			{
				File: batch, Find: "\tif err != nil {\n\t\treturn Summary{}, fmt.Errorf(\"settle batch",
				Replace: "\tfor i := 0; err == nil && i < len(b.second); i++ {\n\t\terr = s.pool.Run(ctx, b.second[i].writeMoney)\n\t}\n" +
					"\tif err != nil {\n\t\treturn Summary{}, fmt.Errorf(\"settle batch",
			},
			{File: lock, Find: "\tanyAnswer bool ", Replace: "\tsecond    []batchState\n\tanyAnswer bool "},
			{File: write, Find: "b.writeMovements, b.writeEntries, b.writeBalances, b.writeOutbox, b.writeJournal,", Replace: "b.writeMovements, b.writeJournal,"},
			{
				File: write, Find: "\tb.outcomes, b.answers, b.conflicts, b.released = nil, nil, nil, nil\n",
				Replace: "\tb.second = append(b.second, batchState{\n\t\tnow: b.now, topics: b.topics, outcomes: b.outcomes, answers: b.answers, deltas: maps.Clone(b.deltas),\n\t})\n" +
					"\tb.outcomes, b.answers, b.conflicts, b.released = nil, nil, nil, nil\n",
			},
			{
				File: write, Find: "func (b *batchState) writeMovements(",
				Replace: "func (b *batchState) writeMoney(tx dbtx.Tx) error {\n\tfor _, step := range []func(dbtx.Tx) error{b.writeEntries, b.writeBalances, b.writeOutbox} {\n" +
					"\t\tif err := step(tx); err != nil {\n\t\t\treturn err\n\t\t}\n\t}\n\treturn nil\n}\n\nfunc (b *batchState) writeMovements(",
			},
		},
	},
	{
		Name: "message-id-as-the-key",
		Why: cases.Text{
			EN: "A repeat is recognised by RocketMQ's message id; a message that is sent again has another one. No unique index, no fence.",
			ZH: "靠 RocketMQ 的消息 ID 认重复；重发的消息换了 ID。没有唯一索引，没有围栏。",
		},
		Cases: []string{"send-answer-lost", "relay-killed-after-send"},
		Sees:  []string{"a payment number is there more than once", "a payment number moved an account more than once"},
		Edits: slices.Concat(noIndexes, noFence, anyProgress, noLookUp, []overlay.Edit{
			{
				File: batch, Find: "\t\tfirst, twice := seen[in.PaymentNo]\n",
				Replace: "\t\t_, twice := messageIDs.LoadOrStore(r.Delivery.MessageID, true)\n\t\tfirst := in\n",
			},
			{File: batch, Find: "func paymentNumbers(", Replace: "var messageIDs sync.Map\n\nfunc paymentNumbers("},
			{File: batch, Find: "\t\"fmt\"\n", Replace: "\t\"fmt\"\n\t\"sync\"\n"},
		}),
	},
	{
		Name: "outcome-taken-for-another",
		Why: cases.Text{
			EN: "order-service applies any outcome of an order, without asking for its payment number or what the order waits for: an old one comes again and undoes a new one.",
			ZH: "order-service 应用订单的任何结果，不核对支付单号，也不看订单在等什么：旧结果再来一次，就撤销了新结果。",
		},
		Cases: []string{"outcome-shuffled-repeats"},
		Sees:  []string{"an order's status is not what its outcomes come to", "outcomes were not applied one for each sequence", "applied otherwise than decided"},
		Edits: []overlay.Edit{
			{
				File: orderApply, Find: "\tin, underWay := o.awaited()\n\tswitch {\n\tcase !underWay:\n",
				Replace: "\tin, underWay := instruction{settlement.Settle, out.PaymentNo, out.Seq, out.Amount}, true\n\tif out.Type == settlement.Refunded {\n" +
					"\t\tin.kind = settlement.Refund\n\t}\n\tswitch {\n\tcase !underWay:\n",
			},
			{
				File: orderApply, Find: "next, fits := o.Status.Ended(in.kind, out.Type, refunded == o.Amount)",
				Replace: "next, fits := Status(out.Type), true",
			},
			{File: apply, Find: anyRecorded, Replace: noneRecorded},
			{File: apply, Find: "\t\treturn dbtx.Again(\"duplicate_key\", err)\n", Replace: "\t\treturn updateOrder(tx, before, after)\n"},
		},
	},
}
