package report

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// The report of a run as a CI reads it: a test case for each row.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Seconds  string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Seconds string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the rows to a file at path in the form of JUnit's reports. Directories that are
// missing are made.
func WriteJUnit(path, title string, rows []Row) error {
	suite := junitSuite{Name: title, Tests: len(rows)}
	took := 0.0
	for _, r := range rows {
		took += r.Took.Seconds()
		c := junitCase{
			Name: r.Case, Class: "faults." + r.From, Seconds: fmt.Sprintf("%.3f", r.Took.Seconds()),
			Output: strings.Join(r.Effects, "\n"),
		}
		if !r.OK() {
			suite.Failures++
			c.Failure = &junitFailure{Message: printable(r.message()), Text: violationsText(r)}
		}
		suite.Cases = append(suite.Cases, c)
	}

	suite.Seconds = fmt.Sprintf("%.3f", took)
	text, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		return fmt.Errorf("write report %s: %w", path, err)
	}
	return writeFile(path, append([]byte(xml.Header), text...))
}

// message says in a line why a row is not OK.
func (r Row) message() string {
	if why := r.why(); why != "" {
		return why
	}
	return fmt.Sprintf("%d violations, the first: %s: %s", len(r.Violations),
		r.Violations[0].Invariant, r.Violations[0].What)
}

// violationsText is the command that runs a row again, and its violations.
func violationsText(r Row) string {
	lines := []string{"again: " + r.again()}
	for _, v := range r.Violations[:min(len(r.Violations), htmlViolationsMax)] {
		lines = append(lines, printable(v.String()))
	}
	return strings.Join(lines, "\n")
}
