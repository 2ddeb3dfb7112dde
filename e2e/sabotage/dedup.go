package main

import (
	"slices"

	"settlement/e2e/overlay"
)

var dedupVersions = []version{
	{
		Name:  "no-unique-index",
		Why:   "Nothing recognises a payment number that was decided: no unique index, no look-up, no fence.",
		Cases: []string{"sends-doubled"},
		Sees:  []string{"a payment number is there more than once", "a payment number moved an account more than once"},
		Edits: slices.Concat(noIndexes, noFence, anyProgress, []overlay.Edit{
			{File: batch, Find: "\t\tb.known[no] = true\n", Replace: "\t\t_ = no\n"},
		}),
	},
	{
		Name:  "check-then-insert",
		Why:   "The payment number is looked up before it is inserted, and no unique index and no fence stop who looked at the same time.",
		Cases: []string{"copies-on-other-queues"},
		Sees:  []string{"a payment number is there more than once", "a payment number moved an account more than once"},
		Edits: slices.Concat(noIndexes, noFence, anyProgress, []overlay.Edit{
			// A slow moment, so that on a busy machine too the copy comes before the first one is written.
			{File: batch, Find: "\tfresh := b.leaveOut(batch)\n", Replace: "\tfresh := b.leaveOut(batch)\n\ttime.Sleep(2 * time.Second)\n"},
			{File: batch, Find: "\t\"slices\"\n", Replace: "\t\"slices\"\n\t\"time\"\n"},
		}),
	},
	{
		Name:  "unknown-commit-done-anew",
		Why:   "When the answer to COMMIT does not come, the batch is settled once more under new payment numbers. No fence, and an order that is paid is paid again.",
		Cases: []string{"commit-answer-lost"},
		Sees:  []string{"an order is paid while it is paid"},
		Edits: slices.Concat(noIndexes, noFence, []overlay.Edit{
			{File: ledger, Find: "\tcase paid:\n", Replace: "\tcase paid && false:\n"},
			{
				File: batch, Find: "\tif err != nil {\n\t\treturn Summary{}, fmt.Errorf(\"settle batch",
				Replace: "\tif errors.Is(err, dbtx.ErrCommitUnknown) {\n\t\tanew := slices.Clone(batch)\n\t\tfor i := range anew {\n" +
					"\t\t\tanew[i].Instruction.PaymentNo = uuid.NewString()\n\t\t}\n\t\treturn s.SettleBatch(ctx, anew)\n\t}\n" +
					"\tif err != nil {\n\t\treturn Summary{}, fmt.Errorf(\"settle batch",
			},
			{File: batch, Find: "\t\"context\"\n", Replace: "\t\"context\"\n\t\"errors\"\n"},
			{File: batch, Find: "\t\"settlement/payment-service/internal/payment\"\n", Replace: "\t\"github.com/google/uuid\"\n\n\t\"settlement/payment-service/internal/payment\"\n"},
		}),
	},
	{
		Name:  "dedup-row-in-its-own-transaction",
		Why:   "The payment number is committed first, and the money is moved in a second transaction.",
		Cases: []string{"payment-service-killed-after-commit"},
		Sees:  []string{"a payment number has not the entries that its outcome asks for"},
		Edits: []overlay.Edit{
			{File: batch, Find: "\tvar summary Summary\n", Replace: "\tvar summary Summary\n\tvar second *batchState\n"},
			{
				File: batch, Find: "\t\tsummary, err = settleIn(tx, batch, s.newBatchState())\n",
				Replace: "\t\tsecond = s.newBatchState()\n\t\tsummary, err = settleIn(tx, batch, second)\n",
			},
			{
				File: batch, Find: "\tif err != nil {\n\t\treturn Summary{}, fmt.Errorf(\"settle batch",
				Replace: "\tif err == nil && len(second.touched) > 0 {\n\t\terr = s.pool.Run(ctx, second.writeMoney)\n\t}\n" +
					"\tif err != nil {\n\t\treturn Summary{}, fmt.Errorf(\"settle batch",
			},
			{File: write, Find: "b.writeMovements, b.writeEntries, b.writeBalances, b.writeOutbox, b.writeWaiting", Replace: "b.writeMovements, b.writeWaiting"},
			{
				File: write, Find: "func (b *batchState) writeMovements(",
				Replace: "func (b *batchState) writeMoney(tx dbtx.Tx) error {\n\tfor _, step := range []func(dbtx.Tx) error{b.writeEntries, b.writeBalances, b.writeOutbox} {\n" +
					"\t\tif err := step(tx); err != nil {\n\t\t\treturn err\n\t\t}\n\t}\n\treturn nil\n}\n\nfunc (b *batchState) writeMovements(",
			},
		},
	},
	{
		Name:  "message-id-as-the-key",
		Why:   "A repeat is recognised by RocketMQ's message id; a message that is sent again has another one. No unique index, no fence.",
		Cases: []string{"send-answer-lost", "relay-killed-after-send"},
		Sees:  []string{"a payment number is there more than once", "a payment number moved an account more than once"},
		Edits: slices.Concat(noIndexes, noFence, anyProgress, []overlay.Edit{
			{File: batch, Find: "\t\tb.known[no] = true\n", Replace: "\t\t_ = no\n"},
			{
				File: batch, Find: "\t\tno := r.Instruction.PaymentNo\n\t\tif seen[no] {\n",
				Replace: "\t\tno := r.Delivery.MessageID\n\t\tif _, again := messageIDs.LoadOrStore(no, true); again {\n",
			},
			{File: batch, Find: "func paymentNumbers(", Replace: "var messageIDs sync.Map\n\nfunc paymentNumbers("},
			{File: batch, Find: "\t\"slices\"\n", Replace: "\t\"slices\"\n\t\"sync\"\n"},
		}),
	},
	{
		Name:  "outcome-taken-for-another",
		Why:   "order-service applies any outcome of an order, without asking for its payment number or what the order waits for: an old one comes again and undoes a new one.",
		Cases: []string{"outcome-shuffled-repeats"},
		Sees:  []string{"an order's status is not its last outcome", "outcomes were not applied one for each sequence", "applied otherwise than decided"},
		Edits: []overlay.Edit{
			{
				File: "order-service/internal/order/instruct.go",
				Find: "\tnext, of, ok := o.Status.Ended(out.Type)\n\tif !ok || out.PaymentNo != o.PaymentNo || out.Seq != o.Seq {",
				Replace: "\tnext, of, ok := Status(out.Type), settlement.Settle, true\n" +
					"\tif out.Type == settlement.Refunded {\n\t\tof = settlement.Refund\n\t}\n\tif !ok {",
			},
			{File: apply, Find: "\t\t\tcase seen[out.PaymentNo]:\n", Replace: "\t\t\tcase false:\n"},
			{File: apply, Find: "\t\treturn dbtx.Again(\"duplicate_key\", err)\n", Replace: "\t\treturn updateOrder(tx, before, after)\n"},
		},
	},
}
