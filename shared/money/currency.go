package money

import (
	"fmt"
	"maps"
	"slices"
)

// Currency is an ISO 4217 alphabetic code in capitals.
type Currency string

// The supported currencies.
const (
	CNY Currency = "CNY"
	EUR Currency = "EUR"
	GBP Currency = "GBP"
	HKD Currency = "HKD"
	JPY Currency = "JPY"
	SGD Currency = "SGD"
	USD Currency = "USD"
)

// minorDigits is how many decimal digits the minor unit has. Source: ISO 4217, list one.
var minorDigits = map[Currency]int{CNY: 2, EUR: 2, GBP: 2, HKD: 2, JPY: 0, SGD: 2, USD: 2}

// Currencies lists the supported codes in alphabetical order.
func Currencies() []Currency {
	return slices.Sorted(maps.Keys(minorDigits))
}

// Validate returns ErrUnsupportedCurrency unless c is one of Currencies.
func (c Currency) Validate() error {
	if _, ok := minorDigits[c]; !ok {
		return fmt.Errorf("%w: %q, use one of %v", ErrUnsupportedCurrency, string(c), Currencies())
	}
	return nil
}
