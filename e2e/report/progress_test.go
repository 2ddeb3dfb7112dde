package report

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestProgressInALog(t *testing.T) {
	var out strings.Builder
	p := NewProgress(&out, 2) // no terminal
	p.Began("two-relays")
	p.Began("sends-doubled")
	p.Note("two-relays", "second relay\nstarted")
	p.Ended(good("two-relays", "producer", Repeats{}))
	p.Ended(doubled())

	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, want := range []string{
		"began two-relays", "began sends-doubled", "two-relays: second relay started",
		"ok    two-relays: fired 3, settlements 100, recovered in 1.5s",
		"FAIL  sends-doubled, seed 18446744073709551615: violations 3",
	} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Fatalf("line %d is not %q in\n%s", i+1, want, out.String())
		}
	}
	contains(t, lines[4], "[2/2 ", "failed 1, violations 3]")
	if strings.Contains(out.String(), "\x1b") {
		t.Error("terminal codes in a log")
	}
}

func TestProgressOnATerminal(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, 3, true)
	p.Began("two-relays")
	p.Began("sends-doubled")
	p.Note("two-relays", "second relay started")
	if strings.Contains(out.String(), "\n") {
		t.Errorf("more than one line: %q", out.String())
	}
	drawn := strings.Split(out.String(), lineStart)
	contains(t, drawn[len(drawn)-1], "0/3 ", "two-relays (second relay started), sends-doubled")

	p.Ended(doubled())
	drawn = strings.Split(out.String(), lineStart)
	contains(t, drawn[len(drawn)-2], "FAIL  sends-doubled", "\n") // stays
	contains(t, drawn[len(drawn)-1], "1/3 ", "failed 1, violations 3", "two-relays")
	if strings.Contains(drawn[len(drawn)-1], "sends-doubled") {
		t.Errorf("an ended case is still running: %q", drawn[len(drawn)-1])
	}

	p.Close()
	p.Close()
	if !strings.HasSuffix(out.String(), wrapOn+"\n") {
		t.Errorf("the line is not ended once: %q", out.String())
	}
	closed := out.String()
	p.draw()
	if out.String() != closed {
		t.Error("drawn again after Close, over what others write")
	}
}

func TestProgressOfManyLanes(t *testing.T) {
	const lanes, cases = 8, 20
	var out strings.Builder
	p := NewProgress(&out, lanes*cases)

	var all sync.WaitGroup
	for lane := range lanes {
		all.Go(func() {
			for i := range cases {
				row := good(fmt.Sprintf("case-%d-%d", lane, i), "broker", Repeats{})
				p.Began(row.Case)
				p.Note(row.Case, "under way")
				p.Ended(row)
			}
		})
	}
	all.Wait()

	if got := strings.Count(out.String(), "\n"); got != 3*lanes*cases {
		t.Errorf("%d lines instead of %d", got, 3*lanes*cases)
	}
	contains(t, out.String(), fmt.Sprintf("[%d/%d ", lanes*cases, lanes*cases))
}
