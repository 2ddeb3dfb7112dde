// Package customer holds the rules by which customers collect points: what each event changes, and
// in which sequence. It does no I/O.
package customer

import (
	"errors"
	"time"

	"settlement/shared/settlement"
)

// ErrNotFound means that no customer is registered under that id.
var ErrNotFound = errors.New("customer not found")

// ErrFull means that a customer's sequence of changes has reached its end, settlement.SeqMax.
var ErrFull = errors.New("customer has had too many changes of points")

// The points that each event is worth.
const (
	registeredPoints = 10
	orderPaidPoints  = 2
	misconductPoints = -3
)

// Customer is a person who collects points. The points themselves are in payment-service.
type Customer struct {
	ID        string // UUID in lower case
	Name      string
	PointsSeq int64 // of the latest change
	CreatedAt time.Time
}

// Accepted is the answer to an accepted change.
type Accepted struct {
	CustomerID string
	PointsNo   string
	Seq        int64
}

// Registered sets the points that a new customer begins with.
func (c Customer) Registered(no string, now time.Time) (Customer, settlement.PointsChange, error) {
	return c.change(no, settlement.PointsSet, registeredPoints, "registered", now)
}

// OrderPaid adds the points that a paid order is worth.
func (c Customer) OrderPaid(no string, now time.Time) (Customer, settlement.PointsChange, error) {
	return c.change(no, settlement.PointsAdd, orderPaidPoints, "order_paid", now)
}

// OrderRefunded takes back the points of a paid order, when all that was paid has been refunded.
func (c Customer) OrderRefunded(no string, now time.Time) (Customer, settlement.PointsChange, error) {
	return c.change(no, settlement.PointsAdd, -orderPaidPoints, "order_refunded", now)
}

// Misconduct takes away the points that a misconduct costs.
func (c Customer) Misconduct(no string, now time.Time) (Customer, settlement.PointsChange, error) {
	return c.change(no, settlement.PointsAdd, misconductPoints, "misconduct", now)
}

func (c Customer) change(
	no string, t settlement.PointsType, points int64, reason string, now time.Time,
) (Customer, settlement.PointsChange, error) {
	if c.PointsSeq == settlement.SeqMax {
		return c, settlement.PointsChange{}, ErrFull
	}
	c.PointsSeq++
	return c, settlement.PointsChange{
		Version: settlement.Version, Type: t, PointsNo: no, CustomerID: c.ID, Seq: c.PointsSeq,
		Points: points, Reason: reason, OccurredAt: now,
	}, nil
}
