package audit

import (
	"fmt"
	"io"
)

// Report is what an audit has found.
type Report struct {
	Records  int64    // in the journal up to now
	Hash     string   // of the last record
	New      int      // how many of the records were read in this audit
	Repeats  int      // messages read in this audit that were copies of earlier records
	UnderWay int      // decided payment numbers that have not reached the topic yet
	Breaks   []string // what is wrong and where, a line each

	lastFinding int64 // offset of the last message that is told of in Breaks
}

// breaksShownMax is how many breaks are printed.
const breaksShownMax = 100

// Print writes the report for people, breaks first.
func (r Report) Print(out io.Writer) {
	for _, b := range r.Breaks[:min(len(r.Breaks), breaksShownMax)] {
		fmt.Fprintln(out, "BREAK  "+b)
	}
	if more := len(r.Breaks) - breaksShownMax; more > 0 {
		fmt.Fprintf(out, "BREAK  … and %d more\n", more)
	}
	fmt.Fprintf(out,
		"records: %d, of which %d are new; copies among what was read: %d; hash of the last: %s\n", r.Records,
		r.New, r.Repeats, r.Hash)
	fmt.Fprintf(out, "decided, and still on the way to the journal: %d\n", r.UnderWay)
	if len(r.Breaks) == 0 {
		fmt.Fprintln(out, "The chain is whole, and the books say what it says.")
	}
}
