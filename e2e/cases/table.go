package cases

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Text is a sentence in both languages of the READMEs.
type Text struct{ EN, ZH string }

// testedFault is a fault that needs no stack: Go tests show what happens.
type testedFault struct {
	From        string
	Title, Then Text
	Tests       []string
}

// Language is one of the READMEs'.
type Language struct {
	Of  func(Text) string // what a text is in it
	And string            // between the members of a list
}

// The languages.
var (
	English = Language{Of: func(t Text) string { return t.EN }, And: ", "}
	Chinese = Language{Of: func(t Text) string { return t.ZH }, And: "、"}
)

var tableHeadings = Text{EN: "| what goes wrong | what happens | shown by |", ZH: "| 出了什么错 | 会发生什么 | 由谁证明 |"}

// origins are the places that a repeat or a loss comes from, in the order of the table.
var origins = []struct {
	from string
	name Text
}{
	{fromClient, Text{EN: "the client", ZH: "客户端"}},
	{fromProducer, Text{EN: "the producer", ZH: "生产者"}},
	{fromBroker, Text{EN: "the broker", ZH: "broker"}},
	{fromConsumer, Text{EN: "the consumer", ZH: "消费者"}},
	{fromDatabase, Text{EN: "the database", ZH: "数据库"}},
}

// FaultTable is the table of all faults in e2e/README.md: by where the repeat or the loss comes
// from, what goes wrong, what happens then, and which cases and tests show it.
func FaultTable(l Language) string {
	var b strings.Builder
	fmt.Fprintln(&b, l.Of(tableHeadings))
	fmt.Fprintln(&b, "|---|---|---|")
	row := func(title, then Text, shown []string) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", l.Of(title), l.Of(then), strings.Join(shown, l.And))
	}

	for _, o := range origins {
		fmt.Fprintf(&b, "| **%s** | | |\n", l.Of(o.name))
		for _, c := range All() {
			if c.From == o.from {
				shown := fmt.Sprintf("[`%s`](cases/%s.go)", c.Name, c.From)
				row(c.Title, c.Then, slices.Concat([]string{shown}, testLinks(c.Tests)))
			}
		}
		for _, f := range testedFaults {
			if f.From == o.from {
				row(f.Title, f.Then, testLinks(f.Tests))
			}
		}
	}
	return b.String()
}

// testLinks are links from e2e/README.md to tests, each given as file:name from the repository's
// root.
func testLinks(tests []string) (links []string) {
	for _, test := range tests {
		file, name, _ := strings.Cut(test, ":")
		if inside, ok := strings.CutPrefix(file, "e2e/"); ok {
			file = inside
		} else {
			file = path.Join("..", file)
		}
		links = append(links, fmt.Sprintf("[`%s`](%s)", name, file))
	}
	return links
}
