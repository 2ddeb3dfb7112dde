package main

import (
	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

var clientVersions = []version{
	{
		Name: "key-not-kept",
		Why: cases.Text{
			EN: "The answer to an Idempotency-Key is not kept: a repeat is a new request.",
			ZH: "Idempotency-Key 的应答不保存：重复的请求成了新请求。",
		},
		Cases: []string{"one-key-fifty-posts"},
		Sees:  []string{"one key was given two answers", "answered, and not remembered under its key"},
		Edits: []overlay.Edit{
			{File: keys, Find: "\t\tfirst, err := claim(tx, req, now)\n", Replace: "\t\tfirst, err := (*row)(nil), error(nil)\n"},
			{File: keys, Find: "func record(tx dbtx.Tx, req Request,", Replace: "var _ = claim\n\nfunc record(tx dbtx.Tx, req Request,"},
		},
	},
	{
		Name: "key-for-any-request",
		Why: cases.Text{
			EN: "An Idempotency-Key is answered with its first answer, whatever is asked with it.",
			ZH: "Idempotency-Key 总是返回第一次的应答，不管这次请求的是什么。",
		},
		Cases: []string{"same-key-other-body"},
		Sees:  []string{"a key was answered that came with another request"},
		Edits: []overlay.Edit{
			{File: keys, Find: "\tif r.RequestHash != req.hash {", Replace: "\tif r.RequestHash != req.hash && false {"},
		},
	},
}
