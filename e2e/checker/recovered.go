package checker

import (
	"fmt"
	"time"
)

// Recovered returns a violation of R when it took more than limit, counted from the fault's end,
// until everything was right again. A negative took means that this never happened.
func Recovered(took, limit time.Duration) []Violation {
	switch {
	case took < 0:
		return []Violation{{
			Invariant: Recovery, What: "it never recovered", Row: fmt.Sprintf("limit=%s", limit),
		}}
	case took > limit:
		return []Violation{{
			Invariant: Recovery, What: "it recovered too late",
			Row: fmt.Sprintf("took=%s limit=%s", took, limit),
		}}
	}
	return nil
}
