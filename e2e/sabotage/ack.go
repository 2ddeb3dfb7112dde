package main

import (
	"slices"

	"settlement/e2e/overlay"
)

var ackVersions = []version{
	{
		Name:  "acknowledged-before-commit",
		Why:   "The batch is acknowledged while it is still being settled. Nobody asks again.",
		Cases: []string{"connection-reset"},
		Sees:  []string{"accepted, never decided"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{{
			File: listener, Find: "\tsummary, err := l.store.SettleBatch(ctx, batch)\n",
			Replace: "\tgo func() { _, _ = l.store.SettleBatch(context.WithoutCancel(ctx), batch) }()\n\tsummary, err := store.Summary{}, error(nil)\n",
		}}),
	},
	{
		Name:  "consume-retry-later",
		Why:   "On an error the handler returns ConsumeRetryLater: the client library goes on behind the batch. Nobody asks again.",
		Cases: []string{"connection-reset"},
		Sees:  []string{"accepted, never decided"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{{
			File: deliver, Find: "int(pause.Milliseconds())\n\treturn consumer.SuspendCurrentQueueAMoment, nil",
			Replace: "int(pause.Milliseconds())\n\treturn consumer.ConsumeRetryLater, nil",
		}}),
	},
	{
		Name:  "batch-error-acknowledged",
		Why:   "A batch that failed is acknowledged, however it failed. Nobody asks again.",
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
		Name:  "unknown-commit-taken-for-done",
		Why:   "When the answer to COMMIT does not come, the transaction is taken for committed. Nobody asks again.",
		Cases: []string{"commit-lost"},
		Sees:  []string{"accepted, never decided"},
		Edits: slices.Concat(nobodyAsksAgain, []overlay.Edit{{
			File: begin, Find: "\treturn fmt.Errorf(\"%w: %w\", ErrCommitUnknown, err)\n", Replace: "\treturn nil\n",
		}}),
	},
	{
		Name:  "lock-wait-passed-over",
		Why:   "After a lock wait (1205) the transaction goes on without the rows that it did not get.",
		Cases: []string{"row-held"},
		Sees:  []string{"declined for want of a wallet that was there"},
		Edits: []overlay.Edit{{
			File: lock, Find: "\tif err != nil {\n\t\treturn fmt.Errorf(\"lock accounts",
			Replace: "\tif dbtx.IsLockWait(err) {\n\t\terr = nil\n\t}\n\tif err != nil {\n\t\treturn fmt.Errorf(\"lock accounts",
		}},
	},
	{
		Name: "lock-wait-retried-inside",
		Why: "After a lock wait (1205) the settle transaction begins again without a rollback and takes its own rows for a repeat. " +
			"Wallets are not locked before the first row is written, or there would be none.",
		Cases: []string{"row-held"},
		Sees:  []string{"a payment number has not the entries that its outcome asks for", "a wallet is not its deposits - debits + refunds"},
		Edits: []overlay.Edit{
			{
				File: begin, Find: "\tif err := do(Tx{db: tx}); err != nil {\n",
				Replace: "\terr := do(Tx{db: tx})\n\tfor retry := 0; IsLockWait(err) && retry < retryMax; retry++ {\n\t\terr = do(Tx{db: tx})\n\t}\n\tif err != nil {\n",
			},
			{
				File: lock, Find: "tx.DB().Table(\"accounts FORCE INDEX (PRIMARY)\").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).\n",
				Replace: "tx.DB().Table(\"accounts FORCE INDEX (PRIMARY)\").\n",
			},
		},
	},
}
