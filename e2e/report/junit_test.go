package report

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestJUnitHasACaseForEachRow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "report.xml")
	held := good("deadlock", "database", Repeats{})
	held.Effects = []string{"3 deadlocks <1213>"}
	failed := good("broker-killed", "broker", Repeats{})
	failed.Failure = "no\x00broker"

	if err := WriteJUnit(path, "Faults", []Row{held, doubled(), failed}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	var suite junitSuite
	if err := xml.Unmarshal(text, &suite); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}

	if suite.Tests != 3 || suite.Failures != 2 || len(suite.Cases) != 3 || suite.Seconds != "60.000" {
		t.Errorf("%+v, want 3 cases of which 2 failed, 60 s", suite)
	}
	if c := suite.Cases[0]; c.Name != "deadlock" || c.Class != "faults.database" || c.Failure != nil ||
		c.Output != "3 deadlocks <1213>" {
		t.Errorf("the case that held is %+v", c)
	}
	for i, want := range []string{"3 violations, the first: D: debited twice", "no broker"} {
		c := suite.Cases[i+1]
		if c.Failure == nil || c.Failure.Message != want ||
			!strings.Contains(c.Failure.Text, "make faults CASE="+c.Name) {
			t.Errorf("the failed case is %+v, want it to say %q and how to run it again", c, want)
		}
	}
}
