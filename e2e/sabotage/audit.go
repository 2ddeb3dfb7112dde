package main

import (
	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

var auditVersions = []version{
	{
		Name: "offset-stored-outside-the-transaction",
		Why: cases.Text{
			EN: "The auditor stores its offset in one transaction, and what it has read in a second one.",
			ZH: "审计者把位点存在一个事务里，把读到的内容存在另一个事务里。",
		},
		Cases: []string{"auditor-killed"},
		Sees:  []string{"the auditor does not go on where it was killed", "the auditor finds the journal or the books broken"},
		Edits: []overlay.Edit{
			{
				File: tape, Find: "\tvar taken Taken\n\terr := t.pool.Run(",
				Replace: "\tvar taken Taken\n\terr := t.pool.Run(ctx, func(tx dbtx.Tx) error { return moveOffset(tx, offset, next) })\n" +
					"\tif err != nil {\n\t\treturn Taken{}, err\n\t}\n\terr = t.pool.Run(",
			},
			{
				File: tape, Find: "\tif err := moveOffset(tx, offset, next); err != nil {\n\t\treturn Taken{}, err\n\t}\n\tat, err :=",
				Replace: "\tat, err :=",
			},
		},
	},
	{
		Name: "journal-passes-over-a-decline",
		Why: cases.Text{
			EN: "Declines are not noted for the journal.",
			ZH: "拒绝不记入审计流水。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"decided, and not in the journal"},
		Edits: []overlay.Edit{{
			File: write, Find: "\tfor _, d := range b.outcomes {\n\t\tnotes = append(",
			Replace: "\tfor _, d := range b.outcomes {\n\t\tif d.Movement.Reason != \"\" {\n\t\t\tcontinue\n\t\t}\n\t\tnotes = append(",
		}},
	},
}
