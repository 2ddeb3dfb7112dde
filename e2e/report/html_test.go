package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"settlement/e2e/checker"
)

// written is the HTML of the rows.
func written(t *testing.T, rows ...Row) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "new", "report.html")
	if err := WriteHTML(path, "Faults", rows); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func TestHTMLShowsTheTable(t *testing.T) {
	held := good("deadlock", "database", Repeats{Fetched: 6})
	held.Effects = []string{"3 deadlocks met"}
	held.Story = []Step{{noon, "breaking"}, {noon.Add(1500 * time.Millisecond), "healing"}}

	text := written(t, doubled(), held)
	contains(t, text, ">0.0s<", "breaking", ">1.5s<", "healing", "Seen: 3 deadlocks met", "✗2", "✗1",
		"VERDICT: FAIL, 1 of 2 cases: sends-doubled",
		"make faults CASE=sends-doubled SEED=18446744073709551615", "payment_no=p-2 debits=2",
		"producer: repeats caused 40 (calls 0, stored 40, fetched 0), absorbed 0, not proven 40; failed: sends-doubled",
		"database: repeats caused 6 (calls 0, stored 0, fetched 6), each absorbed", "0/40/0")
}

func TestHTMLNeedsNoOtherFile(t *testing.T) {
	row := doubled()
	row.Timelines = []Timeline{{OrderID: "o-1", Events: []Event{{At: noon, Where: "client", What: "POST"}}}}
	text := written(t, row)

	if other := regexp.MustCompile(`(?i)https?://|<link|<script|<img|<iframe|url\(|@import|\ssrc=|href="[^#]`).FindString(text); other != "" {
		t.Errorf("the page refers to something outside: %q", other)
	}
	for _, ref := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(text, -1) {
		contains(t, text, `id="`+ref[1]+`"`)
	}
	contains(t, text, `<a href="#case-1-order-1">o-1</a>`)
	wellFormed(t, text)
}

// wellFormed fails when an element is not closed where it should be.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
}

func TestHTMLEscapes(t *testing.T) {
	const evil = `"><script src="http://evil.example/x.js">alert(1)</script>`
	row := Row{
		Case: evil, From: evil, Title: evil, Failure: evil,
		Violations: []checker.Violation{{
			Invariant: evil, What: evil, Row: evil, OrderID: evil, PaymentNo: evil,
		}},
		Timelines: []Timeline{{
			OrderID: evil, Events: []Event{{Where: evil, What: evil}, {Where: "client", What: evil}},
		}},
	}

	text := written(t, row)
	if strings.Contains(text, "<script") {
		t.Errorf("not escaped:\n%s", text)
	}
	wellFormed(t, text)
}

func TestTimelineIsInOrderAndInItsLanes(t *testing.T) {
	got := newPageTimeline("id", Timeline{OrderID: "o-1", Events: []Event{
		{At: noon.Add(1500 * time.Millisecond), Where: "payments DB", What: "debited"},
		{At: noon, Where: "client", What: "POST settle"},
		{Where: "orders DB", What: "seq 1"},
		{At: noon.Add(time.Second), Where: "operator", What: "replayed"},
	}})

	want := []struct{ after, where, what string }{
		{"", "orders DB", "seq 1"}, // no time known
		{"+0.000s", "client", "POST settle"},
		{"+1.000s", "operator", "replayed"}, // no lane of its own before
		{"+1.500s", "payments DB", "debited"},
	}

	if len(got.Events) != len(want) || len(got.Lanes) != len(lanes)+1 {
		t.Fatalf("%d events in lanes %q", len(got.Events), got.Lanes)
	}

	for i, e := range got.Events {
		if e.After != want[i].after {
			t.Errorf("event %d is at %q instead of %q", i, e.After, want[i].after)
		}
		for lane, cell := range e.Cells {
			expected := ""
			if got.Lanes[lane] == want[i].where {
				expected = want[i].what
			}
			if cell != expected {
				t.Errorf("event %d, lane %s: %q instead of %q", i, got.Lanes[lane], cell, expected)
			}
		}
	}
}

func TestHTMLSaysWhatItLeavesOut(t *testing.T) {
	row := doubled()
	for i := range htmlTimelinesMax + 7 {
		row.Timelines = append(row.Timelines, Timeline{OrderID: fmt.Sprintf("order-%d", i)})
	}
	for range htmlViolationsMax {
		row.Violations = append(row.Violations, checker.Violation{Invariant: "A"})
	}

	text := written(t, row)
	contains(t, text, "and 7 more orders", "and 3 more violations")
	if got := strings.Count(text, `class="timeline"`); got != htmlTimelinesMax {
		t.Errorf("%d timelines", got)
	}
}
