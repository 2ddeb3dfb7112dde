package main

import (
	"slices"

	"settlement/e2e/checker"
	"settlement/e2e/overlay"
)

var orderVersions = []version{
	{
		Name:  "fence-removed",
		Why:   "Instructions take effect in the order in which they come.",
		Cases: []string{"out-of-order"},
		By:    []checker.Invariant{checker.Order},
		Edits: noFence,
	},
	{
		Name:  "fence-off-by-one",
		Why:   "The fence lets an instruction pass whose place in the order is taken (< instead of <=); no unique index on the place.",
		Cases: []string{"out-of-order"},
		By:    []checker.Invariant{checker.Order, checker.Double},
		Edits: slices.Concat(noIndexes, []overlay.Edit{
			{File: ledger, Find: "case in.Seq <= last:", Replace: "case in.Seq < last:"},
		}),
	},
	{
		Name:  "ahead-taken-for-late",
		Why:   "An instruction that comes before its predecessor is dropped instead of waiting for it.",
		Cases: []string{"out-of-order"},
		By:    []checker.Invariant{checker.Lost},
		Edits: []overlay.Edit{
			{File: decide, Find: "\tcase payment.Ahead:\n\t\tb.keepWaiting(r)\n", Replace: "\tcase payment.Ahead:\n"},
		},
	},
}
