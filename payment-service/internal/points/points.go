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
