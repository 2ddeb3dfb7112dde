// Package order holds the rules of an order's life: which instruction it takes in which
// status and what an outcome makes of it. It does no I/O.
package order

import (
	"errors"
	"fmt"
	"time"

	"settlement/shared/money"
)

// ErrNotFound means that there is no order with that id.
var ErrNotFound = errors.New("order not found")

// Order is one order. Its id and payment number are UUIDs in lower case.
type Order struct {
	ID          string
	CustomerID  string
	AccountID   string
	Amount      money.Money
	Description string
	Status      Status
	PaymentNo   string // of the latest instruction; empty before the first
	Reason      string // why the latest instruction was declined or failed; else empty
	Seq         int64  // of the latest instruction; 0 before the first
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// New is what a client asks to be created.
type New struct {
	CustomerID  string
	AccountID   string
	Amount      money.Money
	Description string
}

// Accepted is the answer to an accepted instruction.
type Accepted struct {
	OrderID   string
	PaymentNo string
	Seq       int64
	Status    Status
}

// NotAllowedError says that an order's status does not take an instruction.
type NotAllowedError struct {
	OrderID string
	Status  Status
	Wanted  string // "settled" or "refunded"
}

func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("order %s is %s and cannot be %s now", e.OrderID, e.Status, e.Wanted)
}
