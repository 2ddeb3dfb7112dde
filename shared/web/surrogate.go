package web

import (
	"strconv"
	"unicode/utf16"
)

// unicodeEscapeLength is the length of \uXXXX.
const unicodeEscapeLength = 6

// loneSurrogate returns the first \uXXXX of body that is a surrogate without the other one of its
// pair, "" when there is none. body is known to be JSON. encoding/json reads each lone surrogate as
// U+FFFD, so that different texts become the same.
func loneSurrogate(body []byte) string {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' { // a backslash stands in strings only
			continue
		}
		unit, isUnit := utf16Unit(body[i:])
		if !isUnit {
			i++ // the escaped character, which can be a backslash
			continue
		}
		if !utf16.IsSurrogate(unit) {
			continue
		}

		next, _ := utf16Unit(body[i+unicodeEscapeLength:])
		if utf16.DecodeRune(unit, next) == '\uFFFD' {
			return string(body[i : i+unicodeEscapeLength])
		}
		i += 2*unicodeEscapeLength - 1
	}
	return ""
}

// utf16Unit returns the code unit of the \uXXXX that s begins with.
func utf16Unit(s []byte) (unit rune, ok bool) {
	if len(s) < unicodeEscapeLength || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s[2:unicodeEscapeLength]), 16, 16)
	return rune(n), err == nil
}
