package main

import "settlement/e2e/overlay"

// Files that these versions change.
const (
	conflicts = "payment-service/internal/store/settle_conflict.go"
	applyTo   = "order-service/internal/order/apply.go"
)

// strangerVersions believe what a message says, or take a message for a repeat that is none.
var strangerVersions = []version{
	{
		Name:  "taken-place-acknowledged",
		Why:   "An instruction that claims a place which another one has counts as a repeat, and nobody is told.",
		Cases: []string{"out-of-order"},
		Sees:  []string{"a message was taken, and nothing of it is kept"},
		Edits: []overlay.Edit{{
			File: conflicts, Find: "\t\tb.conflict(r, fmt.Sprintf(\"seq %d of order %s was decided under another payment number, or passed over\",\n\t\t\tr.Message.Seq, r.Message.OrderID))\n",
			Replace: "\t\t_ = fmt.Sprint(r)\n\t\tb.summary.Repeated++\n",
		}},
	},
	{
		Name:  "known-number-taken-for-a-repeat",
		Why:   "An instruction under a payment number that was decided counts as a repeat, whatever else it says.",
		Cases: []string{"out-of-order"},
		Sees:  []string{"a message was taken, and nothing of it is kept"},
		Edits: []overlay.Edit{{
			File: conflicts, Find: "instructionOf(m)); difference != \"\" {", Replace: "instructionOf(m)); difference == \"never\" {",
		}},
	},
	{
		Name:  "foreign-outcome-acknowledged",
		Why:   "An outcome that answers nothing that an order waits for is passed over, and nobody is told.",
		Cases: []string{"foreign-outcomes"},
		Sees:  []string{"a message was taken, and nothing of it is kept"},
		Edits: []overlay.Edit{{
			File: apply, Find: "\t\treturn b.conflict(tx, r, err.Error())\n", Replace: "\t\tb.applied.Repeated++\n\t\treturn nil\n",
		}},
	},
	{
		Name:  "contradiction-taken-for-a-repeat",
		Why:   "An outcome under a payment number that has one counts as a repeat, whatever it says.",
		Cases: []string{"foreign-outcomes"},
		Sees:  []string{"a message was taken, and nothing of it is kept"},
		Edits: []overlay.Edit{{
			File: apply, Find: "outcomesDiffer(r.Message, recorded); difference != \"\" {", Replace: "outcomesDiffer(r.Message, recorded); difference == \"never\" {",
		}},
	},
	{
		Name:  "amount-of-an-outcome-believed",
		Why:   "An order takes an outcome of another amount or currency than was asked for; the true one is in conflict with it then.",
		Cases: []string{"foreign-outcomes"},
		Sees:  []string{"a message was parked that nothing was wrong with"},
		Edits: []overlay.Edit{{File: applyTo, Find: "\tcase out.Amount != in.amount:\n", Replace: "\tcase out.Amount != in.amount && out.Version == 0:\n"}},
	},
	{
		Name:  "early-outcome-dropped",
		Why:   "An outcome that comes before that of its predecessor is acknowledged and not kept.",
		Cases: []string{"outcome-overtakes"},
		Sees:  []string{"an outcome that came early was not kept"},
		Edits: []overlay.Edit{{
			File: apply, Find: "\tcase o.Ahead(out):\n", Replace: "\tcase o.Ahead(out) && b.resolving == \"\":\n\t\tb.applied.Repeated++\n\t\treturn nil\n\tcase o.Ahead(out):\n",
		}},
	},
}
