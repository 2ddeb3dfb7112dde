package main

import (
	"slices"

	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

var orderVersions = []version{
	{
		Name: "fence-removed",
		Why: cases.Text{
			EN: "Instructions take effect in the order in which they come.",
			ZH: "指令按到达的顺序生效。",
		},
		Cases: []string{"out-of-order"},
		Sees:  []string{"an order's sequence has a gap or a repeat", "an instruction took effect before its predecessor"},
		Edits: noFence,
	},
	{
		Name: "fence-off-by-one",
		Why: cases.Text{
			EN: "The fence lets an instruction pass whose place in the order is taken (< instead of <=); no unique index on the place.",
			ZH: "位置已被占的指令也能通过围栏（用了 < 而不是 <=）；位置上没有唯一索引。",
		},
		Cases: []string{"out-of-order"},
		Sees:  []string{"an order's sequence has a gap or a repeat", "an order is paid while it is paid"},
		Edits: slices.Concat(noIndexes, []overlay.Edit{
			{File: ledger, Find: theFence, Replace: "\tif in.Seq == l.LastSeq[in.OrderID] {\n\t\treturn fence.Due\n\t}\n" + theFence},
		}),
	},
	{
		Name: "ahead-taken-for-late",
		Why: cases.Text{
			EN: "An instruction that comes before its predecessor is dropped instead of waiting for it.",
			ZH: "比前一条先到的指令被丢掉，而不是等着。",
		},
		Cases: []string{"out-of-order"},
		Sees:  []string{"an instruction that came out of order was not carried out"},
		Edits: []overlay.Edit{
			{File: decide, Find: "b.keepWaiting(r)\n", Replace: "_ = r\n"},
		},
	},
}
