package main

import (
	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

var parkingVersions = []version{
	{
		Name: "parked-at-the-first-failure",
		Why: cases.Text{
			EN: "An instruction is parked when it fails for the first time.",
			ZH: "指令第一次失败就搁置。",
		},
		Cases: []string{"fails-every-time"},
		Sees:  []string{"an instruction was parked before it was tried three times", "an instruction was not parked after three tries"},
		Edits: []overlay.Edit{{File: attempt, Find: "const TriesMax = 3", Replace: "const TriesMax = 1"}},
	},
	{
		Name: "successor-overtakes-the-parked",
		Why: cases.Text{
			EN: "An instruction does not wait for its predecessor, which is parked.",
			ZH: "前一条被搁置时，后一条不等它。",
		},
		Cases: []string{"parked-with-successors"},
		Sees:  []string{"what waited for a parked instruction did not follow it in sequence", "an order's sequence has a gap or a repeat"},
		Edits: []overlay.Edit{{File: ledger, Find: theFence, Replace: "\tif in.Seq > l.LastSeq[in.OrderID] {\n\t\treturn fence.Due\n\t}\n" + theFence}},
	},
	{
		Name: "released-before-the-replayed",
		Why: cases.Text{
			EN: "When a parked instruction is replayed, what waited for it takes effect before it.",
			ZH: "重放搁置的指令时，等它的先于它生效。",
		},
		Cases: []string{"parked-with-successors"},
		Sees:  []string{"what waited for a parked instruction did not follow it in sequence", "an instruction took effect before its predecessor"},
		Edits: []overlay.Edit{{
			File: replay, Find: "\tif err := b.apply(in, r.Delivery); err != nil {\n\t\treturn \"\", \"\", err\n\t}\n" +
				"\tif err := b.write(tx); err != nil {\n\t\treturn \"\", \"\", err\n\t}\n" +
				"\treturn parking.Replayed, string(b.summary.Decided[0].Outcome), b.release(tx)\n",
			Replace: "\tb.ledger.LastSeq[in.OrderID] = in.Seq\n\tif err := b.release(tx); err != nil {\n\t\treturn \"\", \"\", err\n\t}\n" +
				"\tif err := b.apply(in, r.Delivery); err != nil {\n\t\treturn \"\", \"\", err\n\t}\n" +
				"\tif err := b.write(tx); err != nil {\n\t\treturn \"\", \"\", err\n\t}\n" +
				"\treturn parking.Replayed, string(b.summary.Decided[0].Outcome), nil\n",
		}},
	},
	{
		Name: "notice-after-the-commit",
		Why: cases.Text{
			EN: "The notice is not written in the transaction that parks, but after it.",
			ZH: "通知不在搁置的事务里写，而在之后写。",
		},
		Cases: []string{"killed-after-parking"},
		Sees:  []string{"a message is parked, and nobody is to be told"},
		Edits: []overlay.Edit{
			{File: attempt, Find: "l.keeper.parkFailed(tx, f, tries)", Replace: "l.keeper.parkFailed(tx, f, tries, l.pool)"},
			{
				File: attempt, Find: "parkFailed(tx dbtx.Tx, f Failure, tries int) error {",
				Replace: "parkFailed(tx dbtx.Tx, f Failure, tries int, pool *dbtx.Pool) error {",
			},
			{
				File: attempt, Find: "\treturn k.tell(tx, r, notify.EventParked, PublicReason(f.Err))\n",
				Replace: "\tgo func() {\n\t\ttime.Sleep(time.Second)\n\t\t_ = pool.Run(context.Background(), func(tx dbtx.Tx) error {\n" +
					"\t\t\treturn k.tell(tx, r, notify.EventParked, PublicReason(f.Err))\n\t\t})\n\t}()\n\treturn nil\n",
			},
		},
	},
	{
		Name: "notice-told-once",
		Why: cases.Text{
			EN: "A notice counts as told when it was sent, whether anybody took it or not.",
			ZH: "通知发出去就算通知到了，不管有没有人接收。",
		},
		Cases: []string{"notices-refused"},
		Sees:  []string{"notices that nobody took are not told again", "a message was parked, and the receiver was not told"},
		Edits: []overlay.Edit{{File: teller, Find: "\tif failure != nil {\n", Replace: "\tif failure != nil && ctx.Err() != nil {\n"}},
	},
}
