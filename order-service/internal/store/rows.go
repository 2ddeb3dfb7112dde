package store

import (
	"time"

	"github.com/google/uuid"

	"settlement/order-service/internal/order"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

// orderRow is a row of orders.
type orderRow struct {
	ID            string `gorm:"primaryKey"`
	CustomerID    string
	AccountID     string
	AmountMinor   int64
	Currency      money.Currency
	RefundedMinor int64
	Description   string
	Status        order.Status
	PaymentNo     *string
	AskedMinor    *int64
	CancelledNo   *string
	Reason        string
	Seq           int64
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

func (orderRow) TableName() string { return "orders" }

func (r orderRow) order() order.Order {
	o := order.Order{
		ID: r.ID, CustomerID: r.CustomerID, AccountID: r.AccountID,
		Amount:      money.Money{Currency: r.Currency, Minor: r.AmountMinor},
		Refunded:    money.Money{Currency: r.Currency, Minor: r.RefundedMinor},
		Description: r.Description, Status: r.Status, Reason: r.Reason, Seq: r.Seq,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}

	if r.Status == order.Refunded {
		o.Refunded = o.Amount // its column is 0: see migration 00006
	}
	if r.CancelledNo != nil {
		o.CancelledNo = *r.CancelledNo
	}

	if r.PaymentNo == nil {
		return o
	}
	o.PaymentNo, o.Asked = *r.PaymentNo, o.Amount
	if r.AskedMinor != nil {
		o.Asked.Minor = *r.AskedMinor
	}
	return o
}

// paymentRow is a row of payments, which maps a payment number to its order.
type paymentRow struct {
	PaymentNo   string `gorm:"primaryKey"`
	OrderID     string
	Type        settlement.InstructionType
	Seq         int64
	Outcome     settlement.OutcomeType
	AmountMinor *int64
	OccurredAt  time.Time
}

// outcome is the outcome that was applied. amount is the order's: it counts where the row has none.
func (r paymentRow) outcome(amount money.Money) settlement.Outcome {
	if r.AmountMinor != nil {
		amount.Minor = *r.AmountMinor
	}
	return settlement.Outcome{
		PaymentNo: r.PaymentNo, OrderID: r.OrderID, Seq: r.Seq, Type: r.Outcome, Amount: amount,
	}
}

func (paymentRow) TableName() string { return "payments" }

func newID() string { return uuid.Must(uuid.NewV7()).String() }
