package store

import (
	"time"

	"settlement/order-service/internal/order"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

// orderRow is orders.
type orderRow struct {
	ID          string `gorm:"primaryKey"`
	CustomerID  string
	AccountID   string
	AmountMinor int64
	Currency    money.Currency
	Description string
	Status      order.Status
	PaymentNo   *string
	Reason      string
	Seq         int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

func (orderRow) TableName() string { return "orders" }

func (r orderRow) order() order.Order {
	o := order.Order{
		ID: r.ID, CustomerID: r.CustomerID, AccountID: r.AccountID,
		Amount:      money.Money{Currency: r.Currency, Minor: r.AmountMinor},
		Description: r.Description, Status: r.Status, Reason: r.Reason, Seq: r.Seq,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if r.PaymentNo != nil {
		o.PaymentNo = *r.PaymentNo
	}
	return o
}

// paymentRow is payments: the payment number to order mapping.
type paymentRow struct {
	PaymentNo  string `gorm:"primaryKey"`
	OrderID    string
	Type       settlement.InstructionType
	Seq        int64
	Outcome    settlement.OutcomeType
	OccurredAt time.Time
}

func (paymentRow) TableName() string { return "payments" }
