// Package points holds the rules by which changes of points take effect. It does no I/O.
package points

import (
	"errors"

	"settlement/shared/settlement"
)

// ErrNotFound means that nothing is known of a customer's points.
var ErrNotFound = errors.New("points not found")

// Balance is what a customer has, and the fence: the sequence number of the last change that took
// effect. The zero value is the balance before the first change.
type Balance struct {
	Points  int64
	LastSeq int64
}

// Place is where a change stands in its customer's sequence.
type Place int

// The places.
const (
	Due   Place = iota // the next one
	Stale              // behind the fence: a repeat, or another change for a place that is taken
	Ahead              // its predecessor is not there yet
)

// Place says whether a change is due.
func (b Balance) Place(c settlement.PointsChange) Place {
	switch {
	case c.Seq <= b.LastSeq:
		return Stale
	case c.Seq > b.LastSeq+1:
		return Ahead
	}
	return Due
}

// Apply is the balance after a change that is due.
func (b Balance) Apply(c settlement.PointsChange) Balance {
	b.LastSeq = c.Seq
	if c.Type == settlement.PointsSet {
		b.Points = c.Points
	} else {
		b.Points += c.Points
	}
	return b
}
