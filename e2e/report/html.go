package report

import (
	"bytes"
	_ "embed" // for the page
	"fmt"
	"html/template"
	"slices"
	"time"

	"settlement/e2e/checker"
)

// Limits of what the page shows of one case.
const (
	htmlViolationsMax = 200
	htmlTimelinesMax  = 20
)

// lanes are the values of Event.Where, in the way of a settlement.
var lanes = []string{"client", "orders DB", "topic settlement", "payments DB", "topic payment-outcome"}

//go:embed report.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// WriteHTML writes the table, and for each case that failed its violations and the timelines of
// its orders, to one file at path that needs no other. Directories that are missing are made.
func WriteHTML(path, title string, rows []Row) error {
	var text bytes.Buffer
	if err := pageTemplate.Execute(&text, newPage(title, rows)); err != nil {
		return fmt.Errorf("write report %s: %w", path, err)
	}
	return writeFile(path, text.Bytes())
}

// page, and the types below, are what report.html.tmpl shows.
type page struct {
	Title, Total, Verdict, Written string
	RepeatsMean, MarksMean         string
	OK                             bool
	Invariants                     any
	Columns                        int
	Groups                         []pageGroup
}

type pageGroup struct {
	From, Answer string
	OK           bool
	Cases        []pageCase
}

type pageCase struct {
	Row
	ID, Recovered, Verdict, Why, Again, When string
	OK                                       bool
	Marks                                    []pageMark
	Story                                    []pageStep
	Violations                               []pageViolation
	Timelines                                []pageTimeline
	MoreViolations, MoreTimelines            int
}

type pageStep struct {
	After, What string // time since the first step
}

type pageMark struct {
	Text string
	Bad  bool
}

type pageViolation struct {
	checker.Violation
	Timeline string // id of the order's timeline; empty when it is not on the page
}

type pageTimeline struct {
	ID, OrderID string
	Lanes       []string
	Events      []pageEvent
}

type pageEvent struct {
	At, After string   // time of day, and time since the first event
	Cells     []string // one per lane; all but one are empty
}

func newPage(title string, rows []Row) page {
	all := group{Rows: rows}.sums()
	p := page{
		Title: title, Total: all.total(), Verdict: all.verdict(), OK: all.ok(),
		RepeatsMean: repeatsMean, MarksMean: marksMean(),
		Written: time.Now().Format(time.RFC3339), Invariants: invariants, Columns: len(header()),
	}

	n := 0
	for _, g := range grouped(rows) {
		s := g.sums()
		shown := pageGroup{From: g.From, Answer: s.answer(), OK: s.ok()}
		for _, r := range g.Rows {
			n++
			shown.Cases = append(shown.Cases, newPageCase(fmt.Sprintf("case-%d", n), r))
		}
		p.Groups = append(p.Groups, shown)
	}
	return p
}

func newPageCase(id string, r Row) pageCase {
	c := pageCase{
		Row: r, ID: id, Recovered: r.recovered(), Verdict: r.verdict(), Why: r.why(), Again: r.again(),
		OK:   r.OK(),
		When: fmt.Sprintf("began %s, took %s", r.Began.Format(time.RFC3339), seconds(r.Took)),
	}

	for _, i := range invariants {
		mark := r.mark(i.Name)
		c.Marks = append(c.Marks, pageMark{Text: mark, Bad: mark != "✓"})
	}
	for _, step := range r.Story {
		c.Story = append(c.Story, pageStep{
			fmt.Sprintf("%.1fs", step.At.Sub(r.Story[0].At).Seconds()), step.What,
		})
	}

	timelines := r.Timelines[:min(len(r.Timelines), htmlTimelinesMax)]
	c.MoreTimelines = len(r.Timelines) - len(timelines)
	idOf := map[string]string{}
	for i, t := range timelines {
		shown := newPageTimeline(fmt.Sprintf("%s-order-%d", id, i+1), t)
		idOf[t.OrderID] = shown.ID
		c.Timelines = append(c.Timelines, shown)
	}

	violations := r.Violations[:min(len(r.Violations), htmlViolationsMax)]
	c.MoreViolations = len(r.Violations) - len(violations)
	for _, v := range violations {
		c.Violations = append(c.Violations, pageViolation{v, idOf[v.OrderID]})
	}
	return c
}

// newPageTimeline sorts the events by time and puts each in its lane. A place of another name
// gets a lane of its own: no event is left out.
func newPageTimeline(id string, t Timeline) pageTimeline {
	events := slices.Clone(t.Events)
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	shown := pageTimeline{ID: id, OrderID: t.OrderID, Lanes: slices.Clone(lanes)}
	for _, e := range events {
		if !slices.Contains(shown.Lanes, e.Where) {
			shown.Lanes = append(shown.Lanes, e.Where)
		}
	}

	var first time.Time
	for _, e := range events {
		line := pageEvent{At: "-", Cells: make([]string, len(shown.Lanes))}
		if !e.At.IsZero() {
			if first.IsZero() {
				first = e.At
			}
			line.At = e.At.Local().Format("15:04:05.000")
			line.After = fmt.Sprintf("+%.3fs", e.At.Sub(first).Seconds())
		}
		line.Cells[slices.Index(shown.Lanes, e.Where)] = e.What
		shown.Events = append(shown.Events, line)
	}
	return shown
}
