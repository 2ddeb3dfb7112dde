// Package report shows what a run of fault cases found: a live line while they run, a table
// at the end, and one HTML file with a timeline of every order that went wrong.
package report

import (
	"fmt"
	"strings"
	"time"

	"settlement/e2e/checker"
)

// Row is one case that has been run.
type Row struct {
	Case string // its name, such as "send-answer-lost"; runs it again with CASE=
	// Where the repeat or the loss comes from: "client", "producer", "broker", "consumer" or
	// "database".
	From  string
	Title string // the case in a sentence
	Seed  uint64 // the same seed gives the same plan

	Fired       int64 // how many times the fault happened
	Settlements int64 // payment numbers decided during the case
	Repeats     Repeats

	Recovered  time.Duration // from the fault's end until everything was right; negative: never
	Violations []checker.Violation
	Failure    string     // why the case itself failed, so that its invariants prove nothing; empty otherwise
	NoEffect   bool       // Failure says that the fault had no effect
	Unbroken   bool       // nothing was to be broken: there is no fault that could have fired
	Effects    []string   // what the fault has brought about, seen from outside
	Story      []Step     // what happened, in order
	Timelines  []Timeline // one per order that went wrong

	Again string // the command that runs the same plan again; empty: make faults with the case's name
	Began time.Time
	Took  time.Duration
}

// Repeats counts what happened more than once and should not have had an effect more than once.
type Repeats struct {
	Calls   int64 // requests that clients repeated
	Stored  int64 // messages that a topic holds again
	Fetched int64 // messages that a consumer was given again
}

// Step is one thing that happened in a case.
type Step struct {
	At   time.Time
	What string
}

// Timeline is all that is known of one order, from every place.
type Timeline struct {
	OrderID string
	Events  []Event // in any order
}

// Event is one thing that is known to have happened to an order.
type Event struct {
	At    time.Time // zero: not known
	Where string    // one of: client, orders DB, topic settlement, payments DB, topic payment-outcome
	What  string
}

// OK says whether the case proves that the promises hold under its fault. A case whose fault
// never fired proves nothing, so it is not OK.
func (r Row) OK() bool {
	return r.why() == "" && len(r.Violations) == 0
}

// Harmless says that the only thing wrong is that the fault had no effect: nothing was broken, and
// nothing is.
func (r Row) Harmless() bool { return r.NoEffect && r.Recovered >= 0 && len(r.Violations) == 0 }

// why is the reason, other than a violation, for which the row is not OK; empty when there is none.
func (r Row) why() string {
	switch {
	case r.Failure != "":
		return r.Failure
	case r.Fired <= 0 && !r.Unbroken:
		return "the fault never fired, so nothing was tested"
	case r.Recovered < 0:
		return "never recovered from the fault"
	}
	return ""
}

// again is the command that runs the same plan again.
func (r Row) again() string {
	if r.Again != "" {
		return r.Again
	}
	return fmt.Sprintf("make faults CASE=%s SEED=%d", r.Case, r.Seed)
}

func (r Row) recovered() string {
	switch {
	case r.Recovered < 0:
		return "never"
	case r.Recovered == 0 && r.Failure != "":
		return "-"
	}
	return seconds(r.Recovered)
}

func (r Row) verdict() string {
	if r.OK() {
		return "ok"
	}
	return fmt.Sprintf("FAIL seed %d", r.Seed)
}

// invariants are the columns of the table.
var invariants = []struct {
	Name    checker.Invariant
	Meaning string
}{
	{checker.Money, "money adds up"},
	{checker.Double, "nothing debited twice"},
	{checker.Lost, "nothing lost or left hanging"},
	{checker.Order, "effects in sequence"},
	{checker.All, "all or none, everywhere"},
	{checker.Key, "one key, one answer"},
	{checker.Recovery, "recovered in time"},
}

// repeatsMean explains the column of repeats.
const repeatsMean = "repeats seen: calls that clients repeated / messages that a topic holds again / messages that a consumer was given again"

// marksMean explains the columns of the invariants.
func marksMean() string {
	text := "✓ held, ✗N violated N times, - not proven because the case itself failed:"
	for _, i := range invariants {
		text += fmt.Sprintf(" %s %s;", i.Name, i.Meaning)
	}
	return strings.TrimSuffix(text, ";")
}

// mark says how an invariant fared: ✓ held, ✗N violated N times, - not proven because the
// case itself failed. Each rune is one column wide in every terminal,
// which "·" and "–" are not.
func (r Row) mark(i checker.Invariant) string {
	violated := 0
	for _, v := range r.Violations {
		if v.Invariant == i {
			violated++
		}
	}
	if i == checker.Recovery && r.Recovered < 0 {
		violated = max(violated, 1)
	}

	switch {
	case violated > 0:
		return fmt.Sprintf("✗%d", violated)
	case r.Failure != "":
		return "-"
	}
	return "✓"
}

func (r Repeats) sum() int64 { return r.Calls + r.Stored + r.Fetched }

func (r Repeats) plus(o Repeats) Repeats {
	return Repeats{r.Calls + o.Calls, r.Stored + o.Stored, r.Fetched + o.Fetched}
}

func (r Repeats) String() string { return fmt.Sprintf("%d/%d/%d", r.Calls, r.Stored, r.Fetched) }

// seconds writes a duration with one decimal, such as "12.3s".
func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
