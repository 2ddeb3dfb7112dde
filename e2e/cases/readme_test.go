package cases

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"settlement/e2e/readmes"
)

var update = flag.Bool("update", false, "write the fault tables of e2e/README.md and e2e/README.zh-CN.md")

// The fault table stands in both READMEs as the cases tell it.
func TestTheFaultTablesAreCurrent(t *testing.T) {
	for file, language := range map[string]Language{"../README.md": English, "../README.zh-CN.md": Chinese} {
		readmes.Generated(t, file, "go test ./e2e/cases -run FaultTables -update",
			FaultTable(language), *update)
	}
}

// The first README says how many faults there are.
func TestTheFrontDoorCountsTheCases(t *testing.T) {
	for file, says := range map[string]string{
		"../../README.md": "# %d ways", "../../README.zh-CN.md": "用 %d 种方式",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(says, len(All())); !strings.Contains(string(text), want) {
			t.Errorf("%s does not say %q", file, want)
		}
	}
}

// A case says what goes wrong and what happens then, in both languages, and where the repeat or the
// loss comes from.
func TestEachCaseSaysWhatItIs(t *testing.T) {
	table := FaultTable(English)
	for _, c := range All() {
		if strings.Contains(c.Name, " ") ||
			slices.Contains([]string{c.Title.EN, c.Title.ZH, c.Then.EN, c.Then.ZH}, "") {
			t.Errorf("case %q: %+v, and then %+v", c.Name, c.Title, c.Then)
		}
		if !strings.Contains(table, "`"+c.Name+"`") {
			t.Errorf("case %q comes from %q, which the table does not have", c.Name, c.From)
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
