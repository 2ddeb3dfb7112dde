package main

import (
	"slices"

	"settlement/e2e/checker"
	"settlement/e2e/overlay"
)

var dedupVersions = []version{
	{
		Name:  "no-unique-index",
		Why:   "Nothing recognises a payment number that was decided: no unique index, no look-up, no fence.",
		Cases: []string{"sends-doubled"},
		By:    []checker.Invariant{checker.Double},
		Edits: slices.Concat(noIndexes, noFence, noProgress, []overlay.Edit{
			{File: batch, Find: "\t\tb.known[no] = true\n", Replace: "\t\t_ = no\n"},
		}),
	},
	{
		Name:  "check-then-insert",
		Why:   "The payment number is looked up before it is inserted, and no unique index and no fence stop who looked at the same time.",
		Cases: []string{"copies-on-other-queues"},
		By:    []checker.Invariant{checker.Double},
		Edits: slices.Concat(noIndexes, noFence, noProgress),
	},
	{
		Name:  "dedup-row-in-its-own-transaction",
		Why:   "The payment number is committed first, and the money is moved in a second transaction.",
		Cases: []string{"payment-service-killed-after-commit"},
		By:    []checker.Invariant{checker.All},
		Edits: []overlay.Edit{
			{File: batch, Find: "\tvar summary Summary\n", Replace: "\tvar summary Summary\n\tvar second *batchState\n"},
			{
				File: batch, Find: "batch []Received) (Summary, error) {\n\tb := newBatchState(s.now())\n",
				Replace: "batch []Received) (Summary, error) {\n\treturn s.settleAs(tx, batch, newBatchState(s.now()))\n}\n\n" +
					"func (s *Store) settleAs(tx dbtx.Tx, batch []Received, b *batchState) (Summary, error) {\n",
			},
			{
				File: batch, Find: "\t\tsummary, err = s.settleIn(tx, batch)\n",
				Replace: "\t\tsecond = newBatchState(s.now())\n\t\tsummary, err = s.settleAs(tx, batch, second)\n",
			},
			{
				File: batch, Find: "\tif err != nil {\n\t\treturn Summary{}, fmt.Errorf(\"settle batch",
				Replace: "\tif err == nil && len(second.touched) > 0 {\n\t\terr = s.pool.Run(ctx, second.writeMoney)\n\t}\n" +
					"\tif err != nil {\n\t\treturn Summary{}, fmt.Errorf(\"settle batch",
			},
			{File: write, Find: "b.writeMovements, b.writeEntries, b.writeBalances, b.writeOutbox, b.writeWaiting}", Replace: "b.writeMovements, b.writeWaiting}"},
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
		Cases: []string{"sends-doubled"},
		By:    []checker.Invariant{checker.Double},
		Edits: slices.Concat(noIndexes, noFence, noProgress, []overlay.Edit{
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
		Why:   "order-service applies any outcome of an order, without asking for its payment number: an old one ends a new instruction.",
		Cases: []string{"outcome-shuffled-repeats"},
		By:    []checker.Invariant{checker.All, checker.Order},
		Edits: []overlay.Edit{
			{File: "order-service/internal/order/instruct.go", Find: "if !ok || out.PaymentNo != o.PaymentNo || out.Seq != o.Seq {", Replace: "if !ok {"},
			{File: apply, Find: "\t\t\tcase seen[out.PaymentNo]:\n", Replace: "\t\t\tcase false:\n"},
			{File: apply, Find: "\t\treturn dbtx.Again(\"duplicate_key\", err)\n", Replace: "\t\treturn updateOrder(tx, before, after)\n"},
		},
	},
}
