package main

import "settlement/e2e/overlay"

var clientVersions = []version{
	{
		Name:  "key-not-kept",
		Why:   "The answer to an Idempotency-Key is not kept: a repeat is a new request.",
		Cases: []string{"one-key-fifty-posts"},
		Sees:  []string{"one key was given two answers", "answered, and not remembered under its key"},
		Edits: []overlay.Edit{
			{File: keys, Find: "\t\tfirst, err := claim(tx, req, now)\n", Replace: "\t\tfirst, err := (*row)(nil), error(nil)\n"},
			{File: keys, Find: "func record(tx dbtx.Tx, req Request,", Replace: "var _ = claim\n\nfunc record(tx dbtx.Tx, req Request,"},
		},
	},
	{
		Name:  "key-for-any-request",
		Why:   "An Idempotency-Key is answered with its first answer, whatever is asked with it.",
		Cases: []string{"same-key-other-body"},
		Sees:  []string{"a key was answered that came with another request"},
		Edits: []overlay.Edit{
			{File: keys, Find: "\tif r.RequestHash != req.hash {", Replace: "\tif r.RequestHash != req.hash && false {"},
		},
	},
}
