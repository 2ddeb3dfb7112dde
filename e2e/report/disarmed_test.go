package report

import (
	"strings"
	"testing"

	"settlement/e2e/checker"
)

func TestWithoutItsFaultACaseHasToMissTheEffect(t *testing.T) {
	unbroken := Row{Case: "nothing-broken", Unbroken: true}
	blind := good("sends-doubled", "producer", Repeats{})
	seeing := blind
	seeing.Failure, seeing.NoEffect = "the fault had no effect: 0 messages stored again", true
	other, more, never := seeing, seeing, seeing
	other.NoEffect = false
	more.Violations = []checker.Violation{{Invariant: checker.Lost, What: "gone"}}
	never.Recovered = -1
	broken := unbroken
	broken.Violations = more.Violations

	for _, tc := range []struct {
		row  Row
		want string // empty: as it has to be
	}{
		{unbroken, ""},
		{seeing, ""},
		{broken, "nothing was broken, and it does not hold"},
		{blind, "holds without its fault"},
		{other, "could not be played"},
		{more, "finds more than that its fault is missing"},
		{never, "finds more than that its fault is missing"},
	} {
		var out strings.Builder
		ok := Disarmed(&out, []Row{unbroken, tc.row})
		if ok != (tc.want == "") || !strings.Contains(out.String(), tc.want) {
			t.Errorf("%+v: right is %t, want %q in\n%s", tc.row, ok, tc.want, out.String())
		}
	}

	var out strings.Builder
	if Disarmed(&out, nil) {
		t.Error("no case is taken for a proof")
	}
}
