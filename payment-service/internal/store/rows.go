package store

import (
	"time"

	"settlement/payment-service/internal/payment"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

// accountRow is a wallet, a row of table accounts.
type accountRow struct {
	ID           string `gorm:"primaryKey"`
	Owner        string
	Currency     money.Currency
	BalanceMinor int64
	CreatedAt    time.Time
}

func (accountRow) TableName() string { return "accounts" }

func (r accountRow) balance() money.Money {
	return money.Money{Currency: r.Currency, Minor: r.BalanceMinor}
}

func (r accountRow) account() payment.Account {
	return payment.Account{ID: r.ID, Owner: r.Owner, Balance: r.balance(), CreatedAt: r.CreatedAt}
}

// movementRow is a decision, a row of table payment_numbers.
type movementRow struct {
	ID          uint64 `gorm:"primaryKey"`
	PaymentNo   string
	OrderID     string
	Seq         int64
	Type        settlement.InstructionType
	Outcome     settlement.OutcomeType
	Reason      string
	AccountID   string
	AmountMinor int64
	Currency    money.Currency
	CreatedAt   time.Time
}

func (movementRow) TableName() string { return "payment_numbers" }

func newMovementRow(m payment.Movement) movementRow {
	return movementRow{
		PaymentNo: m.PaymentNo, OrderID: m.OrderID, Seq: m.Seq, Type: m.Type, Outcome: m.Outcome,
		Reason:    m.Reason,
		AccountID: m.AccountID, AmountMinor: m.Amount.Minor, Currency: m.Amount.Currency,
		CreatedAt: m.CreatedAt,
	}
}

func (r movementRow) movement() payment.Movement {
	return payment.Movement{
		PaymentNo: r.PaymentNo, OrderID: r.OrderID, Seq: r.Seq, Type: r.Type, Outcome: r.Outcome,
		Reason:    r.Reason,
		AccountID: r.AccountID, Amount: money.Money{Currency: r.Currency, Minor: r.AmountMinor},
		CreatedAt: r.CreatedAt,
	}
}

// progressRow is the fence of an order, a row of table order_progress.
type progressRow struct {
	OrderID string `gorm:"primaryKey"`
	LastSeq int64
	// Grows when an instruction has to wait, so that the row is really written: see writeProgress.
	Waits int64
}

func (progressRow) TableName() string { return "order_progress" }

// entryRow is half of a movement, a row of table entries.
type entryRow struct {
	ID          uint64 `gorm:"primaryKey"`
	PaymentNo   string
	AccountID   string
	AmountMinor int64
	Currency    money.Currency
	Kind        payment.EntryKind
	CreatedAt   time.Time
}

func (entryRow) TableName() string { return "entries" }

func newEntryRows(entries []payment.Entry) []entryRow {
	rows := make([]entryRow, 0, len(entries))
	for _, e := range entries {
		rows = append(rows, entryRow{
			PaymentNo: e.PaymentNo, AccountID: e.AccountID, AmountMinor: e.Amount.Minor,
			Currency: e.Amount.Currency, Kind: e.Kind, CreatedAt: e.CreatedAt,
		})
	}
	return rows
}

func (r entryRow) entry() payment.Entry {
	return payment.Entry{
		ID: r.ID, PaymentNo: r.PaymentNo, AccountID: r.AccountID,
		Amount: money.Money{Currency: r.Currency, Minor: r.AmountMinor}, Kind: r.Kind, CreatedAt: r.CreatedAt,
	}
}
