package httpapi_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"settlement/payment-service/internal/store"
	"settlement/shared/money"
	"settlement/shared/web"
	"settlement/shared/web/webtest"
)

// refusal is a request that must not change anything.
type refusal struct {
	name   string
	path   string
	body   string
	status int
	code   string
}

func badAccounts() []refusal {
	cases := []refusal{
		{"not JSON", "", `owner`, 400, web.CodeMalformedJSON},
		{"empty object", "", `{}`, 400, web.CodeMissingField},
		{"no currency", "", `{"owner":"a"}`, 400, web.CodeMissingField},
		{"no owner", "", `{"currency":"CNY"}`, 400, web.CodeMissingField},
		{
			"opening balance", "", `{"owner":"a","currency":"CNY","balance_minor":100}`, 400,
			web.CodeUnknownField,
		},
		{"empty owner", "", `{"owner":"","currency":"CNY"}`, 400, web.CodeInvalidField},
		{
			"long owner", "", `{"owner":"` + strings.Repeat("韩", 129) + `","currency":"CNY"}`, 400,
			web.CodeInvalidField,
		},
		{"owner with newline", "", `{"owner":"a\nb","currency":"CNY"}`, 400, web.CodeInvalidField},
		{"owner is a number", "", `{"owner":1,"currency":"CNY"}`, 400, web.CodeInvalidField},
		{
			"owner with half a character", "", `{"owner":"a\ud83d","currency":"CNY"}`, 400,
			web.CodeMalformedJSON,
		},
		{"owner with the other half", "", `{"owner":"a\udc00","currency":"CNY"}`, 400, web.CodeMalformedJSON},
		{"unknown currency", "", `{"owner":"a","currency":"BTC"}`, 400, web.CodeUnsupportedCurrency},
		{"currency in lower case", "", `{"owner":"a","currency":"cny"}`, 400, web.CodeUnsupportedCurrency},
		{"body of 10 MB", "", strings.Repeat("x", 10<<20), 413, web.CodeBodyTooLarge},
	}

	for i := range cases {
		cases[i].path = "/v1/accounts"
	}
	return cases
}

func badDeposits(path string) []refusal {
	minor := func(v string) string { return `{"amount":{"currency":"CNY","minor":` + v + `}}` }
	cases := []refusal{
		{"no amount", "", `{}`, 400, web.CodeMissingField},
		{"amount is a number", "", `{"amount":1}`, 400, web.CodeInvalidField},
		{
			"unknown field", "", `{"amount":{"currency":"CNY","minor":1},"note":"a"}`, 400,
			web.CodeUnknownField,
		},
		{"zero", "", minor(`0`), 400, web.CodeInvalidAmount},
		{"negative", "", minor(`-1`), 400, web.CodeInvalidAmount},
		{"above the maximum", "", minor(`1000000000001`), 400, web.CodeInvalidAmount},
		{"largest int64", "", minor(`9223372036854775807`), 400, web.CodeInvalidAmount},
		{"overflow", "", minor(`99999999999999999999`), 400, web.CodeInvalidField},
		{"fraction", "", minor(`1.5`), 400, web.CodeInvalidField},
		{"exponent", "", minor(`15e-1`), 400, web.CodeInvalidField},
		{"string", "", minor(`"100"`), 400, web.CodeInvalidField},
		{
			"unsupported currency", "", `{"amount":{"currency":"XAU","minor":1}}`, 400,
			web.CodeUnsupportedCurrency,
		},
		{"body of 10 MB", "", strings.Repeat(" ", 10<<20), 413, web.CodeBodyTooLarge},
	}

	for i := range cases {
		cases[i].path = path + "/deposits"
	}
	return cases
}

func TestRefusedRequestsChangeNothing(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		_, path := s.open(t)
		unknown := "/v1/accounts/" + uuid.Must(uuid.NewV7()).String()
		cases := append(append(badAccounts(), badDeposits(path)...), []refusal{
			{"deposit into nothing", unknown + "/deposits", deposit(1), 404, "account_not_found"},
			{"deposit into no id", "/v1/accounts/42/deposits", deposit(1), 400, web.CodeInvalidID},
			{
				"deposit into the merchant", "/v1/accounts/00000000-0000-7000-8000-000000000001/deposits",
				deposit(1), 404, "account_not_found",
			},
			{"deposit on trial", path + "/deposits?dry_run=true", deposit(1), 400, web.CodeInvalidParameter},
			{
				"account on trial", "/v1/accounts?dry_run=true", `{"owner":"a","currency":"CNY"}`, 400,
				web.CodeInvalidParameter,
			},
			{"post to an account", path, deposit(1), 405, web.CodeMethodNotAllowed},
			{"withdrawal", path + "/withdrawals", deposit(1), 404, web.CodeNotFound},
		}...)

		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				before := s.rows(t)
				s.post(t, c.path, uuid.NewString(), c.body).Want(t, c.status, c.code)
				s.wantRows(t, before)
			})
		}

		t.Run("without a usable key", func(t *testing.T) {
			before := s.rows(t)
			for path, body := range map[string]string{
				"/v1/accounts": `{"owner":"a","currency":"CNY"}`, path + "/deposits": deposit(1),
			} {
				s.post(t, path, "", body).Want(t, 400, web.CodeKeyMissing)
				s.post(t, path, "a b", body).Want(t, 400, web.CodeKeyInvalid)
				s.post(t, path, strings.Repeat("k", 256), body).Want(t, 400, web.CodeKeyInvalid)
			}
			s.wantRows(t, before)
		})

		t.Run("wrong media type", func(t *testing.T) {
			before := s.rows(t)
			s.Do(t, webtest.Request{
				Method: "POST", Path: path + "/deposits", Key: "k", Body: deposit(1),
				Header: map[string]string{"Content-Type": "text/plain"},
			}).Want(t, 415, web.CodeUnsupportedMediaType)
			s.wantRows(t, before)
		})
	})
}

// A refusal by the state of the wallet is remembered under its key, and moves no money.
func TestRefusedDeposits(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		id, path := s.open(t)
		if _, err := s.db.ExecContext(t.Context(), "UPDATE accounts SET balance_minor = ? WHERE id = ?",
			money.BalanceMaxMinor-1, id); err != nil {
			t.Fatal(err)
		}

		mismatch := s.post(t, path+"/deposits", "mismatch", `{"amount":{"currency":"USD","minor":1}}`).
			Want(t, 409, store.CodeCurrencyMismatch)
		full := s.post(t, path+"/deposits", "full", deposit(2)).Want(t, 409, store.CodeBalanceLimitExceeded)
		s.post(t, path+"/deposits", "last", deposit(1)).Want(t, 201, "")
		if _, err := s.db.ExecContext(t.Context(), "UPDATE accounts SET balance_minor = 0 WHERE id = ?",
			id); err != nil {
			t.Fatal(err)
		}

		before := s.rows(t)
		if again := s.post(t, path+"/deposits", "mismatch",
			`{"amount":{"currency":"USD","minor":1}}`); !again.Same(mismatch) {
			t.Errorf("first\n%s\nthen\n%s", mismatch.Body, again.Body)
		}
		// Although there is room now.
		if again := s.post(t, path+"/deposits", "full", deposit(2)); !again.Same(full) {
			t.Errorf("first\n%s\nthen\n%s", full.Body, again.Body)
		}
		s.wantRows(t, before)
	})
}

func TestRefusedReads(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		_, path := s.open(t)
		unknown := uuid.Must(uuid.NewV7()).String()

		for _, c := range []refusal{
			{"", "/v1/accounts/" + unknown, "", 404, "account_not_found"},
			{"", "/v1/accounts/" + unknown + "/entries", "", 404, "account_not_found"},
			{"", "/v1/payments/" + unknown, "", 404, "payment_not_found"},
			{"", "/v1/accounts/42", "", 400, web.CodeInvalidID},
			{"", "/v1/accounts/" + strings.ToUpper(unknown), "", 400, web.CodeInvalidID},
			{"", "/v1/accounts/42/entries", "", 400, web.CodeInvalidID},
			{"", "/v1/payments/42", "", 400, web.CodeInvalidID},
			{"", path + "/entries?cursor=x", "", 400, web.CodeInvalidCursor},
			{"", path + "/entries?cursor=0", "", 400, web.CodeInvalidCursor},
			{"", path + "/entries?cursor=-1", "", 400, web.CodeInvalidCursor},
			{"", path + "/entries?cursor=99999999999999999999", "", 400, web.CodeInvalidCursor},
			{"", path + "/entries?limit=0", "", 400, web.CodeInvalidParameter},
			{"", path + "/entries?limit=101", "", 400, web.CodeInvalidParameter},
			{"", "/v1/accounts", "", 405, web.CodeMethodNotAllowed},
			{"", "/", "", 404, web.CodeNotFound},
		} {
			t.Run(c.path, func(t *testing.T) { s.get(t, c.path).Want(t, c.status, c.code) })
		}
	})
}
