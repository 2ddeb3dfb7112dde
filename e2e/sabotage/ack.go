package main

import (
	"slices"

	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

var ackVersions = []version{
	{
		Name: "acknowledged-before-commit",
		Why: cases.Text{
			EN: "The batch is acknowledged while it is still being settled. Nobody asks again.",
			ZH: "批次还在结算就 ACK 了。没有人再问一次。",
		},
		Cases: []string{"connection-reset"},
		Sees:  []string{"accepted, never decided"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{{
			File: listener, Find: "\tsummary, err := l.store.SettleBatch(ctx, batch)\n",
			Replace: "\tgo func() { _, _ = l.store.SettleBatch(context.WithoutCancel(ctx), batch) }()\n\tsummary, err := store.Summary{}, error(nil)\n",
		}}),
	},
	{
		Name: "consume-retry-later",
		Why: cases.Text{
			EN: "On an error the handler returns ConsumeRetryLater: the client library goes on behind the batch. Nobody asks again.",
			ZH: "出错时处理器返回 ConsumeRetryLater：客户端库越过这一批继续。没有人再问一次。",
		},
		Cases: []string{"connection-reset"},
		Sees:  []string{"accepted, never decided"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{{
			File: deliver, Find: "int(pause.Milliseconds())\n\treturn consumer.SuspendCurrentQueueAMoment, nil",
			Replace: "int(pause.Milliseconds())\n\treturn consumer.ConsumeRetryLater, nil",
		}}),
	},
	{
		Name: "batch-error-acknowledged",
		Why: cases.Text{
			EN: "A batch that failed is acknowledged, however it failed. Nobody asks again.",
			ZH: "失败的批次，不管怎么失败的，都 ACK。没有人再问一次。",
		},
		Cases: []string{"connection-reset"},
		Sees:  []string{"accepted, never decided"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{
			{
				File: intake, Find: "\tif err == nil || i.policy.suspends(ctx, err) {\n\t\treturn err\n",
				Replace: "\tif err == nil || i.policy.suspends(ctx, err) {\n\t\treturn nil\n",
			},
			{File: intake, Find: "\t\t\treturn errors.Join(append(failed, err)...)\n", Replace: "\t\t\treturn nil\n"},
		}),
	},
	{
		Name: "unknown-commit-taken-for-done",
		Why: cases.Text{
			EN: "When the answer to COMMIT does not come, the transaction is taken for committed. Nobody asks again.",
			ZH: "COMMIT 没有应答时，当作事务已提交。没有人再问一次。",
		},
		Cases: []string{"commit-lost"},
		Sees:  []string{"accepted, never decided"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{{
			File: begin, Find: "\treturn fmt.Errorf(\"%w: %w\", ErrCommitUnknown, err)\n", Replace: "\treturn nil\n",
		}}),
	},
	{
		Name: "lock-wait-passed-over",
		Why: cases.Text{
			EN: "After a lock wait (1205) the transaction goes on without the rows that it did not get.",
			ZH: "锁等待超时（1205）之后，事务不要那些没拿到的行，继续往下走。",
		},
		Cases: []string{"row-held"},
		Sees:  []string{"declined for want of a wallet that was there"},
		Edits: []overlay.Edit{{
			File: lock, Find: "\trows, err := dbtx.LockByKey[accountRow](tx, \"accounts\", \"id\", accounts)\n",
			Replace: "\trows, err := dbtx.LockByKey[accountRow](tx, \"accounts\", \"id\", accounts)\n\tif dbtx.IsLockWait(err) {\n\t\terr = nil\n\t}\n",
		}},
	},
	{
		Name: "lock-wait-retried-inside",
		Why: cases.Text{
			EN: "After a lock wait (1205) the settle transaction begins again without a rollback and takes its own rows for a repeat. Wallets are not locked before the first row is written, or there would be none.",
			ZH: "锁等待超时（1205）之后，结算事务不回滚就从头再来，把自己写的行当成重复。钱包不在写第一行之前加锁，否则就没有这样的行。",
		},
		Cases: []string{"row-held"},
		Sees:  []string{"a payment number has not the entries that its outcome asks for", "a wallet is not its deposits - debits + refunds"},
		Edits: []overlay.Edit{
			{
				File: begin, Find: "\tif err := do(Tx{db: tx}); err != nil {\n",
				Replace: "\terr := do(Tx{db: tx})\n\tfor retry := 0; IsLockWait(err) && retry < retryMax; retry++ {\n\t\terr = do(Tx{db: tx})\n\t}\n\tif err != nil {\n",
			},
			{
				File: lock, Find: "\trows, err := dbtx.LockByKey[accountRow](tx, \"accounts\", \"id\", accounts)\n",
				Replace: "\tvar rows []accountRow\n\terr := tx.DB().Where(\"id IN ?\", accounts).Find(&rows).Error\n",
			},
		},
	},
}
