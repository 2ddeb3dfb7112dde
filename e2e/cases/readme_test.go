package cases

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The fault table of e2e/README.md, in both languages, is the index of the cases.
func TestBothREADMEsListEveryCase(t *testing.T) {
	for _, file := range []string{"README.md", "README.zh-CN.md"} {
		text, err := os.ReadFile("../" + file)
		if err != nil {
			t.Fatal(err)
		}

		linked := regexp.MustCompile("\\[`([a-z0-9-]+)`\\]\\(cases/([a-z]+)\\.go\\)").FindAllStringSubmatch(string(text), -1)
		var names []string
		for _, l := range linked {
			names = append(names, l[1])
			found, err := Named(l[1])
			if err != nil {
				t.Errorf("%s: %v", file, err)
			} else if found[0].From != l[2] {
				t.Errorf("%s: case %s is linked to %s.go and is in %s.go", file, l[1], l[2], found[0].From)
			}
		}

		for _, c := range All() {
			if !slices.Contains(names, c.Name) {
				t.Errorf("%s does not list case %s: %s", file, c.Name, c.Title)
			}
			if strings.Contains(c.Name, " ") || !slices.Contains([]string{fromClient, fromProducer, fromBroker, fromConsumer, fromDatabase}, c.From) {
				t.Errorf("case %q comes from %q", c.Name, c.From)
			}
		}
	}
}

// A soak that failed has to be played again with the same faults.
func TestASeedIsAPlan(t *testing.T) {
	plan := func(seed uint64) (names []string) {
		next := soakPlan(seed)
		for range 20 {
			d := next()
			names = append(names, d.Name+d.after.String())
		}
		return names
	}

	if !slices.Equal(plan(7), plan(7)) {
		t.Error("one seed gave two plans")
	}
	if slices.Equal(plan(7), plan(8)) {
		t.Error("two seeds gave one plan")
	}
}
