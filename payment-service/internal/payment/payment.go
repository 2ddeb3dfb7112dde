// Package payment holds the rules of settling: what an instruction does to the books (the wallets,
// the payment numbers and the entries), and which entries it makes. It does no I/O.
package payment

import (
	"errors"
	"time"

	"settlement/shared/money"
	"settlement/shared/settlement"
)

// Errors of the books.
var (
	ErrAccountNotFound = errors.New("account not found")
	ErrPaymentNotFound = errors.New("payment not found")
)

// The accounts on the other side of a wallet's movements. They have no row in accounts: their
// balance is the sum of their entries.
const (
	MerchantID = "00000000-0000-7000-8000-000000000001" // what customers paid and was not refunded
	OutsideID  = "00000000-0000-7000-8000-000000000002" // where deposits come from
)

// Account is a wallet.
type Account struct {
	ID        string
	Owner     string
	Balance   money.Money
	CreatedAt time.Time
}

// Movement is a decided instruction: what payment_numbers keeps.
type Movement struct {
	PaymentNo string
	OrderID   string
	Seq       int64
	Type      settlement.InstructionType
	Outcome   settlement.OutcomeType
	Reason    string // a Reason…, empty for success
	AccountID string
	Amount    money.Money
	CreatedAt time.Time
}

// The reasons of a decline or failure. They are stable, so that programs can rely on them.
const (
	ReasonInsufficientFunds = "insufficient_funds"
	ReasonUnknownAccount    = "unknown_account"
	ReasonCurrencyMismatch  = "currency_mismatch"
	ReasonAlreadyPaid       = "already_paid"
	ReasonNothingToRefund   = settlement.ReasonNothingToRefund
	ReasonRefundMismatch    = "refund_mismatch"
	ReasonDiscarded         = "discarded" // by an operator
)

// Event is the message that reports m to order-service.
func (m Movement) Event() settlement.Outcome {
	return settlement.Outcome{
		Version: settlement.Version, Type: m.Outcome, PaymentNo: m.PaymentNo, OrderID: m.OrderID, Seq: m.Seq,
		Amount: m.Amount, Reason: m.Reason, OccurredAt: m.CreatedAt,
	}
}

// Deposit is money that came into a wallet from outside.
type Deposit struct {
	DepositNo string // the payment number of its entries
	AccountID string
	Amount    money.Money
	Balance   money.Money // of the wallet, right after the deposit
	CreatedAt time.Time
}
