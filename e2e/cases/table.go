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
	Of      func(Text) string // what a text is in it
	And     string            // between the members of a list
	heading string
	from    map[string]string
}

// The languages.
var (
	English = Language{
		Of:      func(t Text) string { return t.EN },
		heading: "| what goes wrong | what happens | shown by |",
		And:     ", ",
		from: map[string]string{
			fromClient: "the client", fromProducer: "the producer", fromBroker: "the broker",
			fromConsumer: "the consumer", fromDatabase: "the database",
		},
	}
	Chinese = Language{
		Of:      func(t Text) string { return t.ZH },
		heading: "| 出了什么错 | 会发生什么 | 由谁证明 |",
		And:     "、",
		from: map[string]string{
			fromClient: "客户端", fromProducer: "生产者", fromBroker: "broker", fromConsumer: "消费者", fromDatabase: "数据库",
		},
	}
)

// FaultTable is the table of all faults in e2e/README.md: by where the repeat or the loss comes from, what goes wrong, what
// happens then, and which cases and tests show it.
func FaultTable(l Language) string {
	var b strings.Builder
	fmt.Fprintln(&b, l.heading)
	fmt.Fprintln(&b, "|---|---|---|")
	row := func(title, then Text, shown []string) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", l.Of(title), l.Of(then), strings.Join(shown, l.And))
	}

	for _, from := range []string{fromClient, fromProducer, fromBroker, fromConsumer, fromDatabase} {
		fmt.Fprintf(&b, "| **%s** | | |\n", l.from[from])
		for _, c := range All() {
			if c.From == from {
				shown := fmt.Sprintf("[`%s`](cases/%s.go)", c.Name, c.From)
				row(c.Title, c.Then, slices.Concat([]string{shown}, testLinks(c.Tests)))
			}
		}
		for _, f := range testedFaults {
			if f.From == from {
				row(f.Title, f.Then, testLinks(f.Tests))
			}
		}
	}
	return b.String()
}

// testLinks are links from e2e/README.md to tests, each given as file:name from the repository's root.
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
