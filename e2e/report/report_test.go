package report

import (
	"strings"
	"testing"
	"time"

	"settlement/e2e/checker"
)

// good is a case that is OK.
func good(name, from string, repeats Repeats) Row {
	return Row{
		Case: name, From: from, Title: "what " + name + " does", Seed: 42, Fired: 3, Settlements: 100,
		Repeats: repeats, Recovered: 1500 * time.Millisecond, Took: 20 * time.Second,
	}
}

// doubled is a case in which money was debited twice, and an order overtook itself.
func doubled() Row {
	row := good("sends-doubled", "producer", Repeats{Stored: 40})
	row.Seed = 18446744073709551615
	row.Violations = []checker.Violation{
		{
			Invariant: "D", What: "debited twice", Row: "payment_no=p-1 debits=2", OrderID: "o-1",
			PaymentNo: "p-1",
		},
		{
			Invariant: "D", What: "debited twice", Row: "payment_no=p-2 debits=2", OrderID: "o-2",
			PaymentNo: "p-2",
		},
		{Invariant: "O", What: "a gap", Row: "order_id=o-1 seq=3", OrderID: "o-1"},
	}
	return row
}

func table(rows ...Row) string {
	var out strings.Builder
	Table(&out, rows)
	return out.String()
}

// lineWith is the first line that contains text.
func lineWith(t *testing.T, all, text string) string {
	t.Helper()
	for line := range strings.Lines(all) {
		if strings.Contains(line, text) {
			return strings.TrimRight(line, "\n")
		}
	}
	t.Fatalf("no line with %q in\n%s", text, all)
	return ""
}

func contains(t *testing.T, all string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing in\n%s", want, all)
		}
	}
}

func TestOnlyAProofIsOK(t *testing.T) {
	for name, spoil := range map[string]func(*Row){
		"the fault never fired": func(r *Row) { r.Fired = 0 },
		"a violation":           func(r *Row) { r.Violations = []checker.Violation{{Invariant: "M"}} },
		"never recovered":       func(r *Row) { r.Recovered = -1 },
		"the case failed":       func(r *Row) { r.Failure = "no broker" },
	} {
		row := good("two-relays", "producer", Repeats{Stored: 5})
		if !row.OK() {
			t.Fatal("the good row is not OK")
		}

		spoil(&row)
		if row.OK() {
			t.Errorf("%s, and yet OK", name)
		}
		contains(t, table(row), "VERDICT: FAIL, 1 of 1 cases: two-relays",
			"make faults CASE=two-relays SEED=42", "absorbed 0, not proven 5")
	}
	contains(t, table(), "VERDICT: FAIL, no case was run")
}

func TestMarks(t *testing.T) {
	text := table(doubled())
	contains(t, lineWith(t, text, "FAIL seed"), "✓  ✗2  ✓  ✗1  ✓  ✓  ✓", "FAIL seed 18446744073709551615")
	contains(t, text, "make faults CASE=sends-doubled SEED=18446744073709551615",
		"  D: debited twice\n     payment_no=p-2 debits=2\n")

	lost := good("broker-killed", "broker", Repeats{})
	lost.Recovered = -1
	contains(t, lineWith(t, table(lost), "FAIL seed"), "never  ✓  ✓  ✓  ✓  ✓  ✓  ✗1")

	broken := good("broker-killed", "broker", Repeats{})
	broken.Failure = "could not start:\x1b[2J\nthe broker"
	contains(t, lineWith(t, table(broken), "FAIL seed"), "-  -  -  -  -  -  -")
	if strings.Contains(table(broken), "\x1b") {
		t.Error("an error moves the cursor")
	}
}

func TestGroups(t *testing.T) {
	failed := good("broker-frozen", "broker", Repeats{Stored: 7, Fetched: 1})
	failed.Fired = 0
	text := table(
		good("late-writer", "consumer", Repeats{Fetched: 9}),
		good("deadlock", "database", Repeats{}),
		failed,
		good("broker-killed", "broker", Repeats{Calls: 1, Stored: 20, Fetched: 300}),
		good("one-key-fifty-posts", "client", Repeats{Calls: 49}),
		good("mixed", "elsewhere", Repeats{Calls: 2}),
	)

	at := 0
	for _, want := range []string{
		"client\n", "one-key-fifty-posts",
		"= repeats caused 49 (calls 49, stored 0, fetched 0), each absorbed\n",
		"broker\n", "broker-frozen", "broker-killed",
		"= repeats caused 329 (calls 1, stored 27, fetched 301), absorbed 321, not proven 8; failed: broker-frozen\n",
		"consumer\n", "late-writer", "= repeats caused 9 (calls 0, stored 0, fetched 9), each absorbed\n",
		"database\n", "deadlock", "= no repeats\n",
		"elsewhere\n", "mixed", "= repeats caused 2",
		"total: cases 6, faults fired 15, settlements 600, repeats caused 389 (calls 52, stored 27, fetched 310), absorbed 381, not proven 8\n",
		"VERDICT: FAIL, 1 of 6 cases: broker-frozen\n",
	} {
		i := strings.Index(text[at:], want)
		if i < 0 {
			t.Fatalf("%q is missing, or not in its place, in\n%s", want, text)
		}
		at += i
	}
}

func TestColumnsStandBelowEachOther(t *testing.T) {
	text := table(doubled(), good("a", "client", Repeats{Calls: 123456}))
	header := []rune(lineWith(t, text, "verdict"))
	verdict := strings.Index(string(header), "verdict") // the header is ASCII

	for _, want := range []string{"ok", "FAIL seed"} {
		row := []rune(lineWith(t, text, want))
		if got := string(row[verdict:]); !strings.HasPrefix(got, want) {
			t.Errorf("below verdict stands %q in\n%s", got, text)
		}
	}
}

func TestTableShowsSomeViolations(t *testing.T) {
	row := doubled()
	for range 30 {
		row.Violations = append(row.Violations, checker.Violation{Invariant: "A"})
	}
	contains(t, table(row), "  and 13 more\n")
}
