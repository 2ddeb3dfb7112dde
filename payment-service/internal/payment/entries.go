package payment

import (
	"time"

	"settlement/shared/money"
	"settlement/shared/settlement"
)

// EntryKind says what made an entry.
type EntryKind string

// The kinds of entries.
const (
	EntryDeposit EntryKind = "deposit"
	EntrySettle  EntryKind = "settle"
	EntryRefund  EntryKind = "refund"
)

// Entry is half of a movement of money. The entries of one payment number sum to zero.
type Entry struct {
	ID        uint64 // set by the database, ascending
	PaymentNo string
	AccountID string
	Amount    money.Money // negative: the account gave
	Kind      EntryKind
	CreatedAt time.Time
}

// Entries are the two entries of m, or none if m moved no money.
func (m Movement) Entries() []Entry {
	switch m.Outcome {
	case settlement.Paid:
		return move(m.PaymentNo, m.AccountID, MerchantID, m.Amount, EntrySettle, m.CreatedAt)
	case settlement.Refunded:
		return move(m.PaymentNo, MerchantID, m.AccountID, m.Amount, EntryRefund, m.CreatedAt)
	case settlement.Declined, settlement.Failed:
	}
	return nil
}

// DepositEntries are the two entries of a deposit into a wallet.
func DepositEntries(depositNo, accountID string, amount money.Money, now time.Time) []Entry {
	return move(depositNo, OutsideID, accountID, amount, EntryDeposit, now)
}

func move(no, from, to string, amount money.Money, kind EntryKind, now time.Time) []Entry {
	return []Entry{
		{PaymentNo: no, AccountID: from, Amount: amount.Negate(), Kind: kind, CreatedAt: now},
		{PaymentNo: no, AccountID: to, Amount: amount, Kind: kind, CreatedAt: now},
	}
}
