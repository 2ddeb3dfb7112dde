package main

import (
	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

// Files that these versions change.
const (
	conflicts = "payment-service/internal/store/settle_conflict.go"
	applyTo   = "order-service/internal/order/apply.go"
)

// strangerVersions believe what a message says, or take a message for a repeat that is none.
var strangerVersions = []version{
	{
		Name: "taken-place-acknowledged",
		Why: cases.Text{
			EN: "An instruction that claims a place which another one has counts as a repeat, and nobody is told.",
			ZH: "冒占已有位置的指令算作重复，也不通知人。",
		},
		Cases: []string{"out-of-order"},
		Sees:  []string{"a message was taken, and nothing of it is kept"},
		Edits: []overlay.Edit{{
			File: conflicts, Find: "\t\tb.conflict(r, fmt.Sprintf(\"seq %d of order %s was decided under another payment number, or passed over\",\n\t\t\tr.Message.Seq, r.Message.OrderID))\n",
			Replace: "\t\t_ = fmt.Sprint(r)\n\t\tb.summary.Repeated++\n",
		}},
	},
	{
		Name: "known-number-taken-for-a-repeat",
		Why: cases.Text{
			EN: "An instruction under a payment number that was decided counts as a repeat, whatever else it says.",
			ZH: "支付单号判定过的指令算作重复，不管它别的写了什么。",
		},
		Cases: []string{"out-of-order"},
		Sees:  []string{"a message was taken, and nothing of it is kept"},
		Edits: []overlay.Edit{{
			File: conflicts, Find: "instructionOf(m)); difference != \"\" {", Replace: "instructionOf(m)); difference == \"never\" {",
		}},
	},
	{
		Name: "foreign-outcome-acknowledged",
		Why: cases.Text{
			EN: "An outcome that answers nothing that an order waits for is passed over, and nobody is told.",
			ZH: "不对应任何等待中订单的结果被略过，也不通知人。",
		},
		Cases: []string{"foreign-outcomes"},
		Sees:  []string{"a message was taken, and nothing of it is kept"},
		Edits: []overlay.Edit{{
			File: apply, Find: "\t\treturn b.conflict(tx, r, err.Error())\n", Replace: "\t\tb.applied.Repeated++\n\t\treturn nil\n",
		}},
	},
	{
		Name: "contradiction-taken-for-a-repeat",
		Why: cases.Text{
			EN: "An outcome under a payment number that has one counts as a repeat, whatever it says.",
			ZH: "支付单号已有结果的，再来的都算重复，不管它写了什么。",
		},
		Cases: []string{"foreign-outcomes"},
		Sees:  []string{"a message was taken, and nothing of it is kept"},
		Edits: []overlay.Edit{{
			File: apply, Find: "outcomesDiffer(r.Message, recorded); difference != \"\" {", Replace: "outcomesDiffer(r.Message, recorded); difference == \"never\" {",
		}},
	},
	{
		Name: "amount-of-an-outcome-believed",
		Why: cases.Text{
			EN: "An order takes an outcome of another amount or currency than was asked for; the true one is in conflict with it then.",
			ZH: "订单接受金额或币种与所申请的不同的结果；真结果随后反成了冲突。",
		},
		Cases: []string{"foreign-outcomes"},
		Sees:  []string{"a message was parked that nothing was wrong with"},
		Edits: []overlay.Edit{{File: applyTo, Find: "\tcase out.Amount != in.amount:\n", Replace: "\tcase out.Amount != in.amount && out.Version == 0:\n"}},
	},
	{
		Name: "early-outcome-dropped",
		Why: cases.Text{
			EN: "An outcome that comes before that of its predecessor is acknowledged and not kept.",
			ZH: "比前一条的结果先到的结果被 ACK，却没有留下。",
		},
		Cases: []string{"outcome-overtakes"},
		Sees:  []string{"an outcome that came early was not kept"},
		Edits: []overlay.Edit{{
			File: apply, Find: "\tcase o.Ahead(out):\n", Replace: "\tcase o.Ahead(out) && b.resolving == \"\":\n\t\tb.applied.Repeated++\n\t\treturn nil\n\tcase o.Ahead(out):\n",
		}},
	},
}
