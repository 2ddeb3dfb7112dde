package main

import (
	"slices"

	"settlement/e2e/overlay"
)

var orderVersions = []version{
	{
		Name:  "fence-removed",
		Why:   "Instructions take effect in the order in which they come.",
		Cases: []string{"out-of-order"},
		Sees:  []string{"an order's sequence has a gap or a repeat", "an instruction took effect before its predecessor"},
		Edits: noFence,
	},
	{
		Name:  "fence-off-by-one",
		Why:   "The fence lets an instruction pass whose place in the order is taken (< instead of <=); no unique index on the place.",
		Cases: []string{"out-of-order"},
		Sees:  []string{"an order's sequence has a gap or a repeat", "an order is paid while it is paid"},
		Edits: slices.Concat(noIndexes, []overlay.Edit{
			{File: ledger, Find: theFence, Replace: "\tif in.Seq == l.LastSeq[in.OrderID] {\n\t\treturn fence.Due\n\t}\n" + theFence},
		}),
	},
	{
		Name:  "ahead-taken-for-late",
		Why:   "An instruction that comes before its predecessor is dropped instead of waiting for it.",
		Cases: []string{"out-of-order"},
		Sees:  []string{"an instruction that came out of order was not carried out"},
		Edits: []overlay.Edit{
			{File: decide, Find: "b.keepWaiting(r)\n", Replace: "_ = r\n"},
		},
	},
}
