package money_test

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"settlement/shared/money"
)

func anyMoney(t *rapid.T, label string) money.Money {
	return money.Money{
		Currency: rapid.SampledFrom(money.Currencies()).Draw(t, label+"Currency"),
		Minor:    rapid.Int64().Draw(t, label+"Minor"),
	}
}

func TestAddIsExactOrRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyMoney(t, "a"), anyMoney(t, "b")
		sum, err := a.Add(b)
		exact := new(big.Int).Add(big.NewInt(a.Minor), big.NewInt(b.Minor))

		switch {
		case a.Currency != b.Currency:
			if !errors.Is(err, money.ErrCurrencyMismatch) {
				t.Fatalf("%v + %v: error %v, want ErrCurrencyMismatch", a, b, err)
			}
		case !exact.IsInt64():
			if !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("%v + %v: error %v, want ErrOverflow", a, b, err)
			}
		case err != nil || sum.Minor != exact.Int64() || sum.Currency != a.Currency:
			t.Fatalf("%v + %v = %v, %v; want %v", a, b, sum, err, exact)
		}
	})
}

func TestPayableAmounts(t *testing.T) {
	for _, c := range []struct {
		amount money.Money
		want   error
	}{
		{money.Money{Currency: money.CNY, Minor: 1}, nil},
		{money.Money{Currency: money.CNY, Minor: money.AmountMaxMinor}, nil},
		{money.Money{Currency: money.CNY, Minor: 0}, money.ErrAmountOutOfRange},
		{money.Money{Currency: money.CNY, Minor: -1}, money.ErrAmountOutOfRange},
		{money.Money{Currency: money.CNY, Minor: money.AmountMaxMinor + 1}, money.ErrAmountOutOfRange},
		{money.Money{Currency: money.CNY, Minor: math.MinInt64}, money.ErrAmountOutOfRange},
		{money.Money{Currency: "XXX", Minor: 1}, money.ErrUnsupportedCurrency},
		{money.Money{Currency: "cny", Minor: 1}, money.ErrUnsupportedCurrency},
		{money.Money{Minor: 1}, money.ErrUnsupportedCurrency},
	} {
		if err := c.amount.ValidatePayable(); !errors.Is(err, c.want) {
			t.Errorf("%+v: error %v, want %v", c.amount, err, c.want)
		}
	}
}

func TestString(t *testing.T) {
	for want, m := range map[string]money.Money{
		"19.99 CNY":                 {Currency: money.CNY, Minor: 1999},
		"0.05 USD":                  {Currency: money.USD, Minor: 5},
		"-0.05 USD":                 {Currency: money.USD, Minor: -5},
		"500 JPY":                   {Currency: money.JPY, Minor: 500},
		"-92233720368547758.08 EUR": {Currency: money.EUR, Minor: math.MinInt64},
	} {
		if got := m.String(); got != want {
			t.Errorf("%#v is %q, want %q", m, got, want)
		}
	}
}
