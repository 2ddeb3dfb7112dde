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

// ReasonPassedOver is the reason of a cancelled order whose settle an operator has passed over: the
// order was not paid.
const ReasonPassedOver = "passed_over"

// Order is one order. Its id and payment number are UUIDs in lower case. The JSON of a new order is
// the answer that is kept under the Idempotency-Key of its creation, and has no field that the
// client did not get.
type Order struct {
	ID          string
	CustomerID  string
	AccountID   string
	Amount      money.Money
	Refunded    money.Money // how much of the amount has been refunded since the order was last paid
	Description string
	Status      Status
	PaymentNo   string      // of the latest instruction; empty before the first
	Asked       money.Money `json:",omitzero"` // the amount of the latest instruction
	// Payment number of a settle that has no outcome yet while a refund follows it; else empty.
	CancelledNo string `json:",omitzero"`
	// Why the latest instruction was declined or failed; for a cancelled order, why it was not
	// paid; else empty.
	Reason    string
	Seq       int64 // of the latest instruction; 0 before the first
	CreatedAt time.Time
	UpdatedAt time.Time
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

// RefundAmountError says that an order does not give an amount back.
type RefundAmountError struct {
	OrderID string
	Status  Status
	Asked   money.Money
	Left    money.Money // what can be refunded
}

func (e *RefundAmountError) Error() string {
	if e.Status == Settling && e.Asked.Currency == e.Left.Currency && e.Asked.Minor < e.Left.Minor {
		return fmt.Sprintf("order %s is %s: all of its %s can be refunded, %s of it only when it is paid",
			e.OrderID, e.Status, e.Left, e.Asked)
	}
	return fmt.Sprintf("order %s has %s that can be refunded, not %s", e.OrderID, e.Left, e.Asked)
}
