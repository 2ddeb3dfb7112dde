package web

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"settlement/shared/money"
)

// request has the shapes that the services' bodies have.
type request struct {
	Name   string      `json:"name"`
	Amount money.Money `json:"amount"`
	Note   string      `json:"note,omitempty"`
}

func TestDecodeReadsWhatIsWritten(t *testing.T) {
	var got request
	err := decode(
		[]byte(` {"amount":{"minor":-9223372036854775808,"currency":"\u0043NY"},"name":"三 \ud83d\ude00"} `),
		&got,
	)
	want := request{Name: "三 😀", Amount: money.Money{Currency: money.CNY, Minor: -9223372036854775808}}
	if err != nil || got != want {
		t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
}

// A surrogate that is escaped itself is text, and so are characters beyond the first plane however
// they are written.
func TestDecodeReadsWholeCharacters(t *testing.T) {
	for written, want := range map[string]string{
		`\\ud83d`:                  `\ud83d`,
		`\\\\ud83d`:                `\\ud83d`,
		`\\\ud83d\ude00`:           `\😀`,
		`\uD83D\uDE00\ud83d\ude00`: `😀😀`,
		`😀`:                        `😀`,
		`\ufffd`:                   "\ufffd",
	} {
		var got request
		body := `{"name":"` + written + `","amount":{"currency":"CNY","minor":1}}`
		if err := decode([]byte(body), &got); err != nil || got.Name != want {
			t.Errorf("%s: got %q, %v, want %q", written, got.Name, err, want)
		}
	}
}

// To JSON Schema an integer is a number without a fraction, however it is written.
func TestDecodeReadsIntegersAsTheSchemaDoes(t *testing.T) {
	for written, want := range map[string]int64{
		`397.0`: 397, `397.000`: 397, `4e2`: 400, `4E2`: 400, `4e+2`: 400, `4.0e2`: 400, `0.4e3`: 400,
		`4000e-1`: 400,
		`1.5e1`:   15, `-1.5e1`: -15, `0`: 0, `-0`: 0, `-0.0`: 0, `0e999999999999999999999`: 0, `0.0e-5`: 0,
		`9223372036854775807`: math.MaxInt64, `9223372036854775807.0`: math.MaxInt64,
		`922337203685477580.7e1`: math.MaxInt64,
		`-9223372036854775808`:   math.MinInt64, `1e18`: 1e18, `0.` + strings.Repeat("0", 1000) + `1e1001`: 1,
		`1` + strings.Repeat("0", 1000) + `e-1000`: 1,
	} {
		var got request
		if err := decode([]byte(`{"name":"a","amount":{"currency":"CNY","minor":`+written+`}}`),
			&got); err != nil || got.Amount.Minor != want {
			t.Errorf("%.40s: got %d, %v, want %d", written, got.Amount.Minor, err, want)
		}
	}

	for _, written := range []string{
		`397.5`, `4e-1`, `45e-1`, `0.1`, `1e-999999999999999999999`, `1e999999999999999999999`, `1e19`,
		`10e18`, `-1e19`,
		`9223372036854775808`, `9223372036854775808.0`, `-9223372036854775809`, `9223372036854775807.5`,
		`1e9223372036854775807`,
	} {
		var got request
		if err := decode([]byte(`{"name":"a","amount":{"currency":"CNY","minor":`+written+`}}`),
			&got); err == nil {
			t.Errorf("%s became %d, want a refusal", written, got.Amount.Minor)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const good = `"name":"a","amount":{"currency":"CNY","minor":1}`
	amount := func(minor string) string {
		return `{"name":"a","amount":{"currency":"CNY","minor":` + minor + `}}`
	}
	cases := []struct{ body, code, detail string }{
		{`{`, CodeMalformedJSON, "unexpected end"},
		{`{` + good, CodeMalformedJSON, "unexpected end"},
		{`{` + good + `}}`, CodeMalformedJSON, "after top-level value"},
		{`{` + good + `}{` + good + `}`, CodeMalformedJSON, "after top-level value"},
		{`{` + good + `,}`, CodeMalformedJSON, "invalid character"},
		{`{name:"a"}`, CodeMalformedJSON, "invalid character"},
		{`{'name':'a'}`, CodeMalformedJSON, "invalid character"},
		{`{` + good + `} // done`, CodeMalformedJSON, "invalid character"},
		{"\ufeff{" + good + "}", CodeMalformedJSON, "invalid character"},
		{"{\"name\":\"\xff\"}", CodeMalformedJSON, "UTF-8"},
		{"{\"name\":\"a\nb\"}", CodeMalformedJSON, "invalid character"},
		{`{"name":"a\ud83d"}`, CodeMalformedJSON, `\ud83d is half of a character`},
		{`{"name":"a\udc00"}`, CodeMalformedJSON, `\udc00 is half of a character`},
		{`{"name":"a\uD83D"}`, CodeMalformedJSON, `\uD83D is half of a character`},
		{`{"name":"\ud83d\ud83d\ude00"}`, CodeMalformedJSON, `\ud83d is half of a character`},
		{`{"name":"\ude00\ud83d"}`, CodeMalformedJSON, `\ude00 is half of a character`},
		{`{"name":"\ud83dx\ude00"}`, CodeMalformedJSON, `\ud83d is half of a character`},
		{`{"name":"\ud83d\\ude00"}`, CodeMalformedJSON, `\ud83d is half of a character`},
		{`{"name":"\\\ud83d"}`, CodeMalformedJSON, `\ud83d is half of a character`},
		{`{"name":"\ud83d\ude00\ud83d"}`, CodeMalformedJSON, `\ud83d is half of a character`},
		{`{"na\ud83dme":"a"}`, CodeMalformedJSON, `\ud83d is half of a character`},
		{`{` + good + `,"note":"\ud83d"}`, CodeMalformedJSON, `\ud83d is half of a character`},
		{`null`, CodeMalformedJSON, "it is null, must be an object"},
		{`[]`, CodeMalformedJSON, "it is an array, must be an object"},
		{`"{}"`, CodeMalformedJSON, `it is "{}", must be an object`},
		{`7`, CodeMalformedJSON, "it is 7, must be an object"},
		{`{}`, CodeMissingField, "name is missing"},
		{`{"name":"a"}`, CodeMissingField, "amount is missing"},
		{`{"name":"a","amount":{"currency":"CNY"}}`, CodeMissingField, "amount.minor is missing"},
		{`{` + good + `,"colour":1}`, CodeUnknownField, `"colour" is not a field`},
		{`{` + good + `,"Name":"b"}`, CodeUnknownField, `"Name" is not a field`},
		{`{` + good + `,"":1}`, CodeUnknownField, `"" is not a field`},
		{`{` + good + `,"` + strings.Repeat("x", 1000) + `":1}`, CodeUnknownField, "…"},
		{
			`{"name":"a","amount":{"currency":"CNY","minor":1,"scale":2}}`, CodeUnknownField,
			`"amount.scale" is not a field`,
		},
		{`{` + good + `,"name":"b"}`, CodeInvalidField, "name is there more than once"},
		{
			`{"name":"a","amount":{"minor":1,"currency":"CNY","minor":2}}`, CodeInvalidField,
			"amount.minor is there more than once",
		},
		{
			`{"name":null,"amount":{"currency":"CNY","minor":1}}`, CodeInvalidField,
			"name is null, must be a string",
		},
		{`{` + good + `,"note":null}`, CodeInvalidField, "note is null, must be a string"},
		{
			`{"name":["a"],"amount":{"currency":"CNY","minor":1}}`, CodeInvalidField,
			"name is an array, must be a string",
		},
		{
			`{"name":{"a":1},"amount":{"currency":"CNY","minor":1}}`, CodeInvalidField,
			"name is an object, must be a string",
		},
		{
			`{"name":true,"amount":{"currency":"CNY","minor":1}}`, CodeInvalidField,
			"name is true, must be a string",
		},
		{`{"name":"a","amount":1999}`, CodeInvalidField, "amount is 1999, must be an object"},
		{`{"name":"a","amount":null}`, CodeInvalidField, "amount is null, must be an object"},
		{amount(`"100"`), CodeInvalidField, `amount.minor is "100", must be an integer`},
		{amount(`1.5`), CodeInvalidField, "amount.minor is 1.5, must be an integer"},
		{amount(`1e-1`), CodeInvalidField, "amount.minor is 1e-1, must be an integer"},
		{amount(`1e1000000000`), CodeInvalidField, "amount.minor is 1e1000000000, must be an integer"},
		{amount(`99999999999999999999`), CodeInvalidField, "amount.minor is 99999999999999999999, must be"},
		{amount(strings.Repeat("9", 1000)), CodeInvalidField, "…"},
		{amount(`9223372036854775808`), CodeInvalidField, "64 bits"},
		{amount(`null`), CodeInvalidField, "amount.minor is null"},
		{amount(`true`), CodeInvalidField, "amount.minor is true"},
		{amount(`{}`), CodeInvalidField, "amount.minor is an object"},
		{amount(`01`), CodeMalformedJSON, "invalid character"},
		{amount(`+1`), CodeMalformedJSON, "invalid character"},
		{amount(`NaN`), CodeMalformedJSON, "invalid character"},
		{amount(strings.Repeat("[", 16000)), CodeMalformedJSON, "the body cannot be read"},
	}

	for _, c := range cases {
		var got request
		var p *Problem
		err := decode([]byte(c.body), &got)
		if !errors.As(err, &p) || p.Status != 400 || p.Code != c.code ||
			!strings.Contains(p.Detail, c.detail) {
			t.Errorf("%.80s: got %v, want %s with %q", c.body, err, c.code, c.detail)
			continue
		}
		if len(p.Detail) > 400 {
			t.Errorf("%.80s: a detail of %d bytes", c.body, len(p.Detail))
		}
		if p.Code != CodeMalformedJSON && (len(p.Errors) != 1 || p.Errors[0].Code != c.code) {
			t.Errorf("%.80s: errors are %+v", c.body, p.Errors)
		}
	}
}

// decode reads back unchanged what encoding/json writes, so the hash under a key is that of the
// client's request.
func TestDecodeReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := request{
			Name: rapid.String().Draw(t, "name"),
			Amount: money.Money{
				Currency: money.Currency(rapid.String().Draw(t, "currency")), Minor: rapid.Int64().
						Draw(t, "minor"),
			},
			Note: rapid.String().Draw(t, "note"),
		}

		body, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got request
		if err := decode(body, &got); err != nil || got != want {
			t.Fatalf("%s: got %+v, %v", body, got, err)
		}
	})
}
