package report

import (
	"fmt"
	"io"
)

// Disarmed writes the results of cases that were played without their faults, and returns whether
// each is as it has to be. A case with a fault has to miss its effect and to find nothing else; a
// case without a fault has to hold.
func Disarmed(out io.Writer, rows []Row) bool {
	wrong := 0
	for _, r := range rows {
		verdict := r.disarmed()
		if verdict != "" {
			wrong++
		}

		switch {
		case verdict != "":
			fmt.Fprintf(out, "WRONG %-38s %s\n", r.Case, printable(verdict))
			for _, v := range r.Violations[:min(len(r.Violations), tableViolationsMax)] {
				fmt.Fprintf(out, "      %s\n", printable(v.String()))
			}
		case r.Unbroken:
			fmt.Fprintf(out, "ok    %-38s holds, as it has to\n", r.Case)
		default:
			fmt.Fprintf(out, "ok    %-38s %s\n", r.Case, printable(r.Failure))
		}
	}

	if wrong > 0 || len(rows) == 0 {
		fmt.Fprintf(out, "\nVERDICT: FAIL, %d of %d cases do not see whether their fault has an effect.\n",
			wrong, len(rows))
		return false
	}
	fmt.Fprintf(out, "\nVERDICT: each of %d cases sees whether its fault has an effect.\n", len(rows))
	return true
}

// disarmed says what is wrong with a row of a run without faults. It is empty when nothing is.
func (r Row) disarmed() string {
	switch {
	case r.Unbroken && !r.OK():
		return "nothing was broken, and it does not hold: " + r.why()
	case r.Unbroken, r.Harmless():
		return ""
	case r.OK():
		return "holds without its fault: it would hold whatever the services do"
	case r.NoEffect:
		return "finds more than that its fault is missing"
	}
	return "could not be played: " + r.why()
}
