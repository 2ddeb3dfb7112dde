package report

import (
	"encoding/json"
	"fmt"
	"time"

	"settlement/e2e/checker"
)

// The report of a run as a program reads it.
type (
	jsonRun struct {
		Title   string    `json:"title"`
		OK      bool      `json:"ok"`
		Verdict string    `json:"verdict"`
		Cases   []jsonRow `json:"cases"`
	}
	jsonRow struct {
		Case        string          `json:"case"`
		From        string          `json:"from"`
		Title       string          `json:"title"`
		OK          bool            `json:"ok"`
		Why         string          `json:"why,omitempty"` // why the case is not ok, other than by violations
		Seed        uint64          `json:"seed"`
		Again       string          `json:"again"`
		Fired       int64           `json:"fired"`
		Settlements int64           `json:"settlements"`
		Repeats     jsonRepeats     `json:"repeats"`
		Recovered   float64         `json:"recovered_seconds"` // below 0: never
		Took        float64         `json:"took_seconds"`
		Began       time.Time       `json:"began"`
		Effects     []string        `json:"effects"`
		Story       []jsonStep      `json:"story"`
		Violations  []jsonViolation `json:"violations"`
	}
	jsonRepeats struct {
		Calls   int64 `json:"calls"`
		Stored  int64 `json:"stored"`
		Fetched int64 `json:"fetched"`
	}
	jsonStep struct {
		At   time.Time `json:"at"`
		What string    `json:"what"`
	}
	jsonViolation struct {
		Invariant checker.Invariant `json:"invariant"`
		What      string            `json:"what"`
		OrderID   string            `json:"order_id,omitempty"`
		PaymentNo string            `json:"payment_no,omitempty"`
		Row       string            `json:"row"`
	}
)

// WriteJSON writes the rows, whole, to a file at path. Directories that are missing are made.
func WriteJSON(path, title string, rows []Row) error {
	all := group{Rows: rows}.sums()
	run := jsonRun{Title: title, OK: all.ok(), Verdict: all.verdict(), Cases: []jsonRow{}}
	for _, r := range rows {
		run.Cases = append(run.Cases, newJSONRow(r))
	}

	text, err := json.MarshalIndent(run, "", "  ")
	if err != nil {
		return fmt.Errorf("write report %s: %w", path, err)
	}
	return writeFile(path, append(text, '\n'))
}

func newJSONRow(r Row) jsonRow {
	row := jsonRow{
		Case: r.Case, From: r.From, Title: r.Title, OK: r.OK(), Why: r.why(), Seed: r.Seed, Again: r.again(),
		Fired:       r.Fired,
		Settlements: r.Settlements, Repeats: jsonRepeats(r.Repeats), Recovered: r.Recovered.Seconds(),
		Took:  r.Took.Seconds(),
		Began: r.Began, Effects: append([]string{}, r.Effects...), Story: []jsonStep{},
		Violations: []jsonViolation{},
	}

	for _, step := range r.Story {
		row.Story = append(row.Story, jsonStep(step))
	}
	for _, v := range r.Violations {
		row.Violations = append(row.Violations, jsonViolation(v))
	}
	return row
}
