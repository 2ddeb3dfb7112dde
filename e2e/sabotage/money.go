package main

import (
	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

var moneyVersions = []version{
	{
		Name: "debit-without-condition",
		Why: cases.Text{
			EN: "A wallet is debited whatever it holds.",
			ZH: "不管钱包里有多少都扣款。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"a wallet is below zero"},
		Edits: []overlay.Edit{
			{File: ledger, Find: "case balance.Minor < in.Amount.Minor:", Replace: "case balance.Minor < in.Amount.Minor && false:"},
			{File: balances, Find: "\" WHERE id IN ? AND \" + after + \" >= 0\"", Replace: "\" WHERE id IN ?\""},
			{File: balances, Find: "slices.Concat(args, []any{ids}, args)...", Replace: "slices.Concat(args, []any{ids})..."},
			{File: schema, Find: "    PRIMARY KEY (id),\n    CONSTRAINT accounts_not_negative CHECK (balance_minor >= 0)\n", Replace: "    PRIMARY KEY (id)\n"},
		},
	},
	{
		Name: "decline-not-recorded",
		Why: cases.Text{
			EN: "A decline is reported and not recorded: a repeat is decided anew.",
			ZH: "拒绝只上报，不记录：重复的消息被重新判定。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"an outcome was sent of a payment number that is not recorded", "applied in orders, never decided"},
		Edits: []overlay.Edit{{
			File: write, Find: "\tfor _, d := range b.outcomes {\n\t\trows = append(",
			Replace: "\tfor _, d := range b.outcomes {\n\t\tif d.Movement.Outcome == settlement.Declined && len(b.outcomes) > 0 {\n\t\t\tcontinue\n\t\t}\n\t\trows = append(",
		}, {
			File: write, Find: "\tif err := tx.DB().Create(&rows).Error; err != nil {\n\t\treturn fmt.Errorf(\"insert %d payment numbers",
			Replace: "\tif len(rows) == 0 {\n\t\treturn nil\n\t}\n\tif err := tx.DB().Create(&rows).Error; err != nil {\n\t\treturn fmt.Errorf(\"insert %d payment numbers",
		}},
	},
	{
		Name: "refund-applied-twice",
		Why: cases.Text{
			EN: "A refund gives the wallet its money back twice.",
			ZH: "退款把钱退给钱包两次。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"a wallet is not the sum of its entries"},
		Edits: []overlay.Edit{{
			File: decide, Find: "\t\t\tb.deltas[e.AccountID] += e.Amount.Minor\n",
			Replace: "\t\t\tb.deltas[e.AccountID] += e.Amount.Minor\n\t\t\tif m.Outcome == settlement.Refunded {\n\t\t\t\tb.deltas[e.AccountID] += e.Amount.Minor\n\t\t\t}\n",
		}},
	},
}
