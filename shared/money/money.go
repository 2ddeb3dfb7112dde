// Package money holds an amount as an integer count of a currency's minor units
// (fen, cents, yen), never as a float: 19.99 CNY is {"currency":"CNY","minor":1999}.
package money

import (
	"errors"
	"fmt"
	"math"
)

// AmountMaxMinor is the largest single amount, in minor units: 10^12, ten thousand
// million yuan. It leaves room to add nine thousand of them below 2^53, the largest
// integer that a JSON reader with float numbers keeps exact.
const AmountMaxMinor int64 = 1_000_000_000_000

// BalanceMaxMinor is the largest balance a deposit may lead to, in minor units.
const BalanceMaxMinor int64 = 1_000_000_000_000_000

// Errors of this package. Each is wrapped with the value that was wrong.
var (
	ErrUnsupportedCurrency = errors.New("currency is not supported")
	ErrAmountOutOfRange    = errors.New("amount is out of range")
	ErrOverflow            = errors.New("amount overflows")
	ErrCurrencyMismatch    = errors.New("currencies differ")
)

// Money is an amount in minor units of an ISO 4217 currency.
type Money struct {
	Currency Currency `json:"currency"`
	Minor    int64    `json:"minor"`
}

// ValidatePayable reports whether m can be paid, deposited or refunded: a supported
// currency and 1 to AmountMaxMinor minor units.
func (m Money) ValidatePayable() error {
	if err := m.Currency.Validate(); err != nil {
		return err
	}
	if m.Minor < 1 || m.Minor > AmountMaxMinor {
		return fmt.Errorf("%w: %d minor units, must be 1 to %d", ErrAmountOutOfRange, m.Minor, AmountMaxMinor)
	}
	return nil
}

// Add returns m + o, or ErrCurrencyMismatch or ErrOverflow.
func (m Money) Add(o Money) (Money, error) {
	if m.Currency != o.Currency {
		return Money{}, fmt.Errorf("%w: %s and %s", ErrCurrencyMismatch, m.Currency, o.Currency)
	}
	if (o.Minor > 0 && m.Minor > math.MaxInt64-o.Minor) || (o.Minor < 0 && m.Minor < math.MinInt64-o.Minor) {
		return Money{}, fmt.Errorf("%w: %d + %d", ErrOverflow, m.Minor, o.Minor)
	}
	return Money{Currency: m.Currency, Minor: m.Minor + o.Minor}, nil
}

// Negate returns -m. It is for amounts of at most AmountMaxMinor either way: the smallest int64
// has no opposite.
func (m Money) Negate() Money {
	return Money{Currency: m.Currency, Minor: -m.Minor}
}

// String shows the amount as a person writes it: "19.99 CNY", "500 JPY".
func (m Money) String() string {
	digits, ok := minorDigits[m.Currency]
	if !ok || digits == 0 {
		return fmt.Sprintf("%d %s", m.Minor, m.Currency)
	}

	unit := uint64(math.Pow10(digits))
	sign, magnitude := "", uint64(m.Minor) //nolint:gosec // G115: the sign is handled on the next line
	if m.Minor < 0 {
		sign, magnitude = "-", -magnitude
	}
	return fmt.Sprintf("%s%d.%0*d %s", sign, magnitude/unit, digits, magnitude%unit, m.Currency)
}
