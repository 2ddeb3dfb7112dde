package checker

import (
	"fmt"
	"time"
)

// Recovered is the violation of R when everything was right again only after more than
// limit, counted from the fault's end, or, with a negative took, never.
func Recovered(took, limit time.Duration) []Violation {
	switch {
	case took < 0:
		return []Violation{{Invariant: Recovery, What: "it never recovered", Row: fmt.Sprintf("limit=%s", limit)}}
	case took > limit:
		return []Violation{{Invariant: Recovery, What: "it recovered too late", Row: fmt.Sprintf("took=%s limit=%s", took, limit)}}
	}
	return nil
}
