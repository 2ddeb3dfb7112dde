package main

import (
	"slices"

	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

// Files that one version each changes.
const (
	hashing    = "shared/idempotency/request.go"
	session    = "shared/rocketmq/session.go"
	problems   = "shared/web/problem.go"
	customers  = "order-service/internal/store/customers.go"
	outcomesIn = "order-service/internal/listener/listener.go"
	head       = "payment-service/internal/journal/head.go"
	movements  = "payment-service/internal/payment/payment.go"
	release    = "payment-service/internal/store/settle_release.go"
)

// survivorVersions were wrong in a way that no case saw, until there was a case or a check for each kind.
var survivorVersions = []version{
	{
		Name: "points-sent-without-their-key",
		Why: cases.Text{
			EN: "Changes of points take the queue of their own number, not of their customer.",
			ZH: "积分变更按自己的单号选队列，而不是按顾客。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"a change of points was sent without its key", "topic points: an order's messages are in two queues"},
		Edits: []overlay.Edit{{File: customers, Find: "ShardingKey: c.CustomerID", Replace: "ShardingKey: c.PointsNo"}},
	},
	{
		Name: "rewards-added-by-each-retry",
		Why: cases.Text{
			EN: "A batch's state is made once: a transaction that runs again adds to the rewards of the run before.",
			ZH: "批次的状态只建一次：事务重跑时，奖励加在上一次之上。",
		},
		Cases: []string{"customer-row-held"},
		Sees:  []string{"rewarded otherwise than paid"},
		Edits: []overlay.Edit{{
			File: apply, Find: "\tvar b *outcomeBatch\n\terr := s.pool.Run(ctx, func(tx dbtx.Tx) error {\n\t\tb = &outcomeBatch{now: s.now(), store: s}\n",
			Replace: "\tb := &outcomeBatch{now: s.now(), store: s}\n\terr := s.pool.Run(ctx, func(tx dbtx.Tx) error {\n",
		}},
	},
	{
		Name: "key-hash-without-the-path",
		Why: cases.Text{
			EN: "An Idempotency-Key is compared by the body alone: the same body at another order is taken for a repeat.",
			ZH: "Idempotency-Key 只比较请求体：另一个订单的相同请求体被当成重复。",
		},
		Cases: []string{"same-key-other-body"},
		Sees:  []string{"a key was answered that came with another request"},
		Edits: []overlay.Edit{{File: hashing, Find: "[]byte(operation+\"\\n\")", Replace: "[]byte(\"\\n\")"}},
	},
	{
		Name: "given-up-after-three-tries",
		Why: cases.Text{
			EN: "The client library's limit of tries is 3, and not endless: a message that fails more often is passed over. Nobody asks again.",
			ZH: "客户端库的重试上限是 3，而不是无限：失败更多次的消息被略过。没有人再问一次。",
		},
		Cases: []string{"outcomes-refused"},
		Sees:  []string{"decided, never applied to its order"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{
			{File: session, Find: "WithMaxReconsumeTimes(-1)", Replace: "WithMaxReconsumeTimes(3)"},
		}),
	},
	{
		Name: "outcome-error-acknowledged",
		Why: cases.Text{
			EN: "order-service logs what it could not apply, and acknowledges it. Nobody asks again.",
			ZH: "order-service 把应用不了的结果写进日志，然后 ACK。没有人再问一次。",
		},
		Cases: []string{"outcomes-refused"},
		Sees:  []string{"decided, never applied to its order"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{
			{
				File: outcomesIn, Find: "\tapplied, err := l.store.ApplyOutcomes(ctx, batch)\n",
				Replace: "\tapplied, err := l.store.ApplyOutcomes(ctx, batch)\n\tif err != nil && !dbtx.IsTransient(err) {\n" +
					"\t\tl.log.Error(\"outcomes not applied\", \"error\", err)\n\t\treturn 0, nil\n\t}\n",
			},
			{File: outcomesIn, Find: "\t\"settlement/shared/rocketmq\"\n", Replace: "\t\"settlement/shared/dbtx\"\n\t\"settlement/shared/rocketmq\"\n"},
		}),
	},
	{
		Name: "offset-acknowledged-on-suspend",
		Why: cases.Text{
			EN: "A batch that failed counts as acknowledged while its queue pauses: whoever comes after a stop begins behind it. Nobody asks again.",
			ZH: "队列暂停时，失败的批次算作已 ACK：正常停止后接手的从它后面开始。没有人再问一次。",
		},
		Cases: []string{"stopped-while-suspended"},
		Sees:  []string{"accepted, never decided"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{
			{File: deliver, Find: "\tif q.failedAt != first {\n", Replace: "\tq.acknowledge(batch)\n\tif q.failedAt != first {\n"},
		}),
	},
	{
		Name: "suspended-batch-committed",
		Why: cases.Text{
			EN: "The offset behind a batch that failed is told to the broker while its queue pauses: whoever comes after a crash begins behind it. Nobody asks again.",
			ZH: "队列暂停时，把失败批次之后的位点提交给 broker：崩溃后接手的从它后面开始。没有人再问一次。",
		},
		Cases: []string{"killed-while-suspended"},
		Sees:  []string{"accepted, never decided"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{
			{
				File: deliver, Find: "\tif q.failedAt != first {\n",
				// Again and again, because the library tells its own offset every 5 s.
				Replace: "\tgo func() {\n\t\tfor range 50 {\n\t\t\t_ = c.commitOffsets(context.Background(), map[queueKey]int64{key: batch[len(batch)-1].Offset + 1})\n" +
					"\t\t\ttime.Sleep(100 * time.Millisecond)\n\t\t}\n\t}()\n\tif q.failedAt != first {\n",
			},
		}),
	},
	{
		Name: "batch-split-loses-its-tail",
		Why: cases.Text{
			EN: "Of rows that do not fit into one batch, the relay sends the first batch and deletes all.",
			ZH: "一批装不下的行，relay 只发第一批，却全部删掉。",
		},
		Cases: []string{"backlog-longer-than-a-batch"},
		Sees:  []string{"changes of points have not taken effect", "a change of points is not on the topic"},
		Edits: []overlay.Edit{
			{File: lanes, Find: "\t\tfor i, row := range rest[:n] {\n\t\t\tconfirmed =", Replace: "\t\tfor i, row := range rest {\n\t\t\tconfirmed ="},
			{File: lanes, Find: "\t\trest = rest[n:]\n", Replace: "\t\trest = nil\n"},
		},
	},
}

// furtherVersions are of the same kinds: what is wrong shows in no number that has to add up.
var furtherVersions = []version{
	{
		Name: "rewarded-whatever-came-of-it",
		Why: cases.Text{
			EN: "A customer is rewarded for each outcome of an order, a decline and a refund included.",
			ZH: "订单的每个结果都给顾客奖励，包括拒绝和退款。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"rewarded otherwise than paid"},
		Edits: []overlay.Edit{{File: apply, Find: "if out.Type == settlement.Paid || after.Status == order.Refunded {", Replace: "if out.Type != \"\" {"}},
	},
	{
		Name: "declined-for-money-that-was-there",
		Why: cases.Text{
			EN: "A settle is declined unless the wallet holds twice its amount.",
			ZH: "钱包里没有两倍的金额，结算就被拒绝。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"declined for want of money that was there"},
		Edits: []overlay.Edit{{File: ledger, Find: "balance.Minor < in.Amount.Minor", Replace: "balance.Minor < 2*in.Amount.Minor"}},
	},
	{
		Name: "decline-leaves-its-place",
		Why: cases.Text{
			EN: "A decline does not move its order's sequence on.",
			ZH: "拒绝不推进订单的序号。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"an order's progress is not its last sequence"},
		Edits: []overlay.Edit{{
			File: ledger, Find: "\tl.LastSeq[in.OrderID] = in.Seq\n\treturn m, nil\n",
			Replace: "\tif m.Outcome != settlement.Declined {\n\t\tl.LastSeq[in.OrderID] = in.Seq\n\t}\n\treturn m, nil\n",
		}},
	},
	{
		Name: "unavailable-answered-as-500",
		Why: cases.Text{
			EN: "That the database is away is answered as a fault of the service's own.",
			ZH: "数据库不可用时，应答成服务自己的错误。",
		},
		Cases: []string{"database-killed"},
		Sees:  []string{"a request was answered as a fault of the service's own"},
		Edits: []overlay.Edit{{File: problems, Find: "\tcase dbtx.IsTransient(err):\n", Replace: "\tcase dbtx.IsTransient(err) && false:\n"}},
	},
	{
		Name: "notice-told-twice",
		Why: cases.Text{
			EN: "A notice that was taken is told once more.",
			ZH: "已被接收的通知再发一次。",
		},
		Cases: []string{"fails-every-time"},
		Sees:  []string{"a notice was told again, and its receiver had taken it"},
		Edits: []overlay.Edit{{
			File: teller, Find: "\tfailure := n.Tell(telling, d.ID, body)\n",
			Replace: "\tfailure := n.Tell(telling, d.ID, body)\n\t_ = n.Tell(telling, d.ID, body)\n",
		}},
	},
	{
		Name: "relay-sends-the-newest-first",
		Why: cases.Text{
			EN: "The relay reads its rows from the newest on.",
			ZH: "relay 从最新的行读起。",
		},
		Cases: []string{"backlog-longer-than-a-batch"},
		Sees:  []string{"topic points: a message is behind its successor"},
		Edits: []overlay.Edit{{File: lanes, Find: "+meant+\" ORDER BY id LIMIT ?\"", Replace: "+meant+\" ORDER BY id DESC LIMIT ?\""}},
	},
	{
		Name: "journal-without-its-chain",
		Why: cases.Text{
			EN: "A record of the journal does not carry the hash of the one before.",
			ZH: "审计流水的记录不带前一条的哈希。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"a record of the journal does not follow the one before"},
		Edits: []overlay.Edit{{File: head, Find: "r.Position, r.Previous = h.Position+1, h.Hash", Replace: "r.Position, r.Previous = h.Position+1, settlement.JournalOrigin"}},
	},
	{
		Name: "released-stays-waiting",
		Why: cases.Text{
			EN: "What was released behind its predecessor goes on waiting in the database. Nobody looks again at what waits.",
			ZH: "跟在前一条之后生效的，在数据库里仍然等待。没有人再看一眼等待的。",
		},
		Cases: []string{"out-of-order"},
		Sees:  []string{"an instruction waits, and its predecessor is done"},
		Edits: slices.Concat(nobodyLooksAgain, []overlay.Edit{
			{File: release, Find: "\t\tb.released = append(b.released, next.ID)\n", Replace: ""},
		}),
	},
	{
		Name: "waiting-not-kept",
		Why: cases.Text{
			EN: "An instruction ahead of its predecessor waits in memory only.",
			ZH: "比前一条先到的指令只在内存里等。",
		},
		Cases: []string{"out-of-order"},
		Sees:  []string{"an instruction that came out of order was not carried out"},
		Edits: []overlay.Edit{{File: write, Find: "\t\tb.writeWaiting, b.writeReleased,", Replace: "\t\tb.writeReleased,"}},
	},
	{
		Name: "discard-tells-nobody",
		Why: cases.Text{
			EN: "A discarded instruction ends, and its order does not hear of it.",
			ZH: "被丢弃的指令结束了，它的订单却不知道。",
		},
		Cases: []string{"fails-every-time"},
		Sees:  []string{"an operator's decision did not reach its order"},
		Edits: []overlay.Edit{{
			File: replay, Find: "\tb.record(b.ledger.GiveUp(in, b.now), r.Delivery)\n",
			Replace: "\tb.ledger.GiveUp(in, b.now)\n\tb.touched[in.OrderID] = struct{}{}\n",
		}},
	},
	{
		Name: "refusal-not-kept",
		Why: cases.Text{
			EN: "What was refused by the state it met leaves its key without an answer.",
			ZH: "因当时状态被拒绝的请求，它的 key 没有留下应答。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"a key is taken and has no answer"},
		Edits: []overlay.Edit{{
			File: keys, Find: "\t\tupdate.RefusalCode, update.RefusalDetail = refusal.Code, refusal.Detail\n", Replace: "\t\t_ = refusal.Code\n",
		}},
	},
	{
		Name: "outcome-without-its-reason",
		Why: cases.Text{
			EN: "An outcome does not say why it is a decline.",
			ZH: "结果里不写为什么拒绝。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"an outcome on the topic is not the one recorded"},
		Edits: []overlay.Edit{{File: movements, Find: "Reason: m.Reason, OccurredAt: m.CreatedAt", Replace: "OccurredAt: m.CreatedAt"}},
	},
}
