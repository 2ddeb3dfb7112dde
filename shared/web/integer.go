package web

import (
	"strconv"
	"strings"
)

// int64DigitsMax is how many digits the largest int64 has.
const int64DigitsMax = 19

// integer reads a JSON number whose value is an int64, however it is written: to JSON Schema, and
// so to the OpenAPI, 400, 400.0 and 4e2 are the same integer. It reckons with digits, since a
// float64 has none to spare beyond 2^53, and the exponent of a few bytes must not become a number
// of a million digits.
func integer(number string) (n int64, ok bool) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")

	significant := strings.TrimLeft(whole+fraction, "0")
	digits := strings.TrimRight(significant, "0")
	if digits == "" {
		return 0, true // zero, whatever its exponent
	}

	shift := 0
	if exponent != "" {
		var err error
		if shift, err = strconv.Atoi(exponent); err != nil {
			return 0, false // farther away than any body has digits
		}
	}
	zeros := shift - len(fraction) + len(significant) - len(digits)
	if zeros < 0 || zeros > int64DigitsMax {
		return 0, false // a fraction is left, or it is too large
	}
	if negative {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits+strings.Repeat("0", zeros), 10, 64)
	return n, err == nil
}
