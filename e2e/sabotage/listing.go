package main

import (
	"fmt"
	"strings"

	"settlement/e2e/cases"
)

// headings of the listing, by language.
var headings = cases.Text{EN: "| wrong version | what is wrong | caught in |", ZH: "| 错误版本 | 错在哪里 | 由谁抓住 |"}

// listing is the table of wrong versions in e2e/README.md.
func listing(l cases.Language, all []version) string {
	var b strings.Builder
	fmt.Fprintln(&b, l.Of(headings))
	fmt.Fprintln(&b, "|---|---|---|")
	for _, v := range all {
		fmt.Fprintf(&b, "| [`%s`](sabotage/%s) | %s | `%s` |\n", v.Name, v.File, l.Of(v.Why),
			strings.Join(v.Cases, "`"+l.And+"`"))
	}
	return b.String()
}
