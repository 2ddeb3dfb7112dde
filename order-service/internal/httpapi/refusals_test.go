package httpapi_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"settlement/order-service/internal/httpapi"
	"settlement/order-service/internal/store"
	"settlement/shared/settlement"
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

// badOrders are bodies of POST /v1/orders.
func badOrders() []refusal {
	body := func(field, value string) string {
		fields := map[string]string{
			"customer_id": `"customer-42"`, "account_id": `"019a5e1c-7c00-7000-8000-000000000042"`,
			"amount": `{"currency":"CNY","minor":1999}`, "description": `"two tickets"`,
		}
		fields[field] = value
		var members []string
		for name, v := range fields {
			if v != "" {
				members = append(members, `"`+name+`":`+v)
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	minor := func(v string) string { return body("amount", `{"currency":"CNY","minor":`+v+`}`) }
	currency := func(v string) string { return body("amount", `{"currency":`+v+`,"minor":1}`) }

	cases := []refusal{
		{"not JSON", "", `customer`, 400, web.CodeMalformedJSON},
		{"truncated", "", `{"customer_id":"c"`, 400, web.CodeMalformedJSON},
		{"two values", "", body("", "") + "{}", 400, web.CodeMalformedJSON},
		{"array", "", "[" + body("", "") + "]", 400, web.CodeMalformedJSON},
		{"null", "", "null", 400, web.CodeMalformedJSON},
		{"not UTF-8", "", body("description", "\"\xc3\x28\""), 400, web.CodeMalformedJSON},
		{"empty object", "", `{}`, 400, web.CodeMissingField},
		{"unknown field", "", body("status", `"paid"`), 400, web.CodeUnknownField},
		{"name in capitals", "", body("Description", `"x"`), 400, web.CodeUnknownField},
		{"no customer", "", body("customer_id", ""), 400, web.CodeMissingField},
		{"empty customer", "", body("customer_id", `""`), 400, web.CodeInvalidField},
		{
			"long customer", "", body("customer_id", `"`+strings.Repeat("c", 65)+`"`), 400,
			web.CodeInvalidField,
		},
		{"customer with space", "", body("customer_id", `"a b"`), 400, web.CodeInvalidField},
		{"customer with newline", "", body("customer_id", `"a\n"`), 400, web.CodeInvalidField},
		{"customer not ASCII", "", body("customer_id", `"顾客"`), 400, web.CodeInvalidField},
		{"customer is a number", "", body("customer_id", `42`), 400, web.CodeInvalidField},
		{"no account", "", body("account_id", ""), 400, web.CodeMissingField},
		{"account is no UUID", "", body("account_id", `"42"`), 400, web.CodeInvalidID},
		{
			"account in capitals", "", body("account_id", `"019A5E1C-7C00-7000-8000-000000000042"`), 400,
			web.CodeInvalidID,
		},
		{
			"account in braces", "", body("account_id", `"{019a5e1c-7c00-7000-8000-000000000042}"`), 400,
			web.CodeInvalidID,
		},
		{
			"long description", "", body("description", `"`+strings.Repeat("票", 256)+`"`), 400,
			web.CodeInvalidField,
		},
		{"description with NUL", "", body("description", `"a\u0000"`), 400, web.CodeInvalidField},
		{"description is null", "", body("description", `null`), 400, web.CodeInvalidField},
		{"no amount", "", body("amount", ""), 400, web.CodeMissingField},
		{"amount is a number", "", body("amount", `19.99`), 400, web.CodeInvalidField},
		{"amount is empty", "", body("amount", `{}`), 400, web.CodeMissingField},
		{
			"amount with unknown field", "", body("amount", `{"currency":"CNY","minor":1,"major":1}`), 400,
			web.CodeUnknownField,
		},
		{"zero", "", minor(`0`), 400, web.CodeInvalidAmount},
		{"negative", "", minor(`-1`), 400, web.CodeInvalidAmount},
		{"smallest int64", "", minor(`-9223372036854775808`), 400, web.CodeInvalidAmount},
		{"above the maximum", "", minor(`1000000000001`), 400, web.CodeInvalidAmount},
		{"largest int64", "", minor(`9223372036854775807`), 400, web.CodeInvalidAmount},
		{"overflows int64", "", minor(`9223372036854775808`), 400, web.CodeInvalidField},
		{"overflows uint64", "", minor(`99999999999999999999`), 400, web.CodeInvalidField},
		{"fraction", "", minor(`1.5`), 400, web.CodeInvalidField},
		{"exponent", "", minor(`15e-1`), 400, web.CodeInvalidField},
		{"half a character", "", body("description", `"\ud83d"`), 400, web.CodeMalformedJSON},
		{"amount in quotes", "", minor(`"100"`), 400, web.CodeInvalidField},
		{"unknown currency", "", currency(`"XXX"`), 400, web.CodeUnsupportedCurrency},
		{"currency in lower case", "", currency(`"cny"`), 400, web.CodeUnsupportedCurrency},
		{"no currency", "", currency(`""`), 400, web.CodeUnsupportedCurrency},
		{"body of 10 MB", "", strings.Repeat("x", 10<<20), 413, web.CodeBodyTooLarge},
	}

	for i := range cases {
		cases[i].path = "/v1/orders"
	}
	return cases
}

func TestRefusedRequestsChangeNothing(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		created, paid := s.create(t, "customer-42").ID, s.settled(t, settlement.Paid, "").ID
		failed := s.settled(t, settlement.Failed, "books_are_wrong").ID
		unknown := uuid.Must(uuid.NewV7()).String()

		cases := append(badOrders(), []refusal{
			{"settle of nothing", "/v1/orders/" + unknown + "/settle", "", 404, "order_not_found"},
			{"refund of nothing", "/v1/orders/" + unknown + "/refund", "", 404, "order_not_found"},
			{"settle of no id", "/v1/orders/42/settle", "", 400, web.CodeInvalidID},
			{"refund of no id", "/v1/orders/42/refund", "", 400, web.CodeInvalidID},
			{
				"settle of id in capitals", "/v1/orders/" + strings.ToUpper(created) + "/settle", "", 400,
				web.CodeInvalidID,
			},
			{
				"settle with body", "/v1/orders/" + created + "/settle", `{"amount":1}`, 400,
				web.CodeUnknownField,
			},
			{"settle with array", "/v1/orders/" + created + "/settle", `[]`, 400, web.CodeMalformedJSON},
			{
				"settle with 10 MB", "/v1/orders/" + created + "/settle", strings.Repeat(" ", 10<<20), 413,
				web.CodeBodyTooLarge,
			},
			{
				"settle on trial", "/v1/orders/" + created + "/settle?dry_run=true", "", 400,
				web.CodeInvalidParameter,
			},
			{"refund on trial", "/v1/orders/" + paid + "/refund?dry_run", "", 400, web.CodeInvalidParameter},
			{
				"order on trial", "/v1/orders?dry_run=true", newOrderBody("c", 1), 400,
				web.CodeInvalidParameter,
			},
			{
				"refund of 0", "/v1/orders/" + paid + "/refund", `{"amount":{"currency":"CNY","minor":0}}`,
				400, web.CodeInvalidAmount,
			},
			{
				"refund in half a currency", "/v1/orders/" + paid + "/refund", `{"amount":{"minor":1}}`, 400,
				web.CodeMissingField,
			},
			{
				"refund of null", "/v1/orders/" + paid + "/refund", `{"amount":null}`, 400,
				web.CodeInvalidField,
			},
			{
				"refund of a number", "/v1/orders/" + paid + "/refund", `{"amount":500}`, 400,
				web.CodeInvalidField,
			},
			{"unknown verb", "/v1/orders/" + created + "/cancel", "", 404, web.CodeNotFound},
			{"post to an order", "/v1/orders/" + created, "", 405, web.CodeMethodNotAllowed},
		}...)

		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				before := s.rows(t)
				s.post(t, c.path, uuid.NewString(), c.body).Want(t, c.status, c.code)
				s.wantRows(t, before)
			})
		}

		for _, path := range []string{
			"/v1/orders", "/v1/orders/" + created + "/settle", "/v1/orders/" + paid + "/refund",
		} {
			t.Run("without key "+path, func(t *testing.T) {
				before := s.rows(t)
				s.post(t, path, "", newOrderBody("c", 1)).Want(t, 400, web.CodeKeyMissing)
				s.post(t, path, "a b", newOrderBody("c", 1)).Want(t, 400, web.CodeKeyInvalid)
				s.post(t, path, strings.Repeat("k", 256), newOrderBody("c", 1)).
					Want(t, 400, web.CodeKeyInvalid)
				s.wantRows(t, before)
			})
		}

		t.Run("wrong media type", func(t *testing.T) {
			before := s.rows(t)
			for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded"} {
				s.Do(t, webtest.Request{
					Method: "POST", Path: "/v1/orders", Key: uuid.NewString(), Body: newOrderBody("c", 1),
					Header: map[string]string{"Content-Type": contentType},
				}).Want(t, 415, web.CodeUnsupportedMediaType)
			}
			s.wantRows(t, before)
		})

		t.Run("not in this status", func(t *testing.T) {
			// A refusal is remembered under its key, so only the orders and the outbox stay as they
			// were.
			before := s.rows(t)
			s.post(t, "/v1/orders/"+paid+"/settle", uuid.NewString(), "").
				Want(t, 409, store.CodeNotSettleable)
			s.post(t, "/v1/orders/"+failed+"/settle", uuid.NewString(), "").
				Want(t, 409, store.CodeNotSettleable)
			s.post(t, "/v1/orders/"+failed+"/refund", uuid.NewString(), "").
				Want(t, 409, store.CodeNotRefundable)
			s.post(t, "/v1/orders/"+created+"/refund", uuid.NewString(), "").
				Want(t, 409, store.CodeNotRefundable)
			const keys = "SELECT COUNT(*) FROM idempotency_keys"
			after := s.rows(t)
			before[keys] = after[keys]
			s.wantRows(t, before)
		})
	})
}

func TestRefusedReads(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		unknown := uuid.Must(uuid.NewV7()).String()

		for _, c := range []refusal{
			{"", "/v1/orders/" + unknown, "", 404, "order_not_found"},
			{"", "/v1/orders/42", "", 400, web.CodeInvalidID},
			{"", "/v1/orders/" + strings.ToUpper(unknown), "", 400, web.CodeInvalidID},
			{"", "/v1/orders/%27%20OR%201=1", "", 400, web.CodeInvalidID},
			{"", "/v1/orders?status=unpaid", "", 400, web.CodeInvalidParameter},
			{"", "/v1/orders?status=PAID", "", 400, web.CodeInvalidParameter},
			{"", "/v1/orders?customer_id=a%20b", "", 400, web.CodeInvalidParameter},
			{"", "/v1/orders?limit=0", "", 400, web.CodeInvalidParameter},
			{"", "/v1/orders?limit=-1", "", 400, web.CodeInvalidParameter},
			{"", "/v1/orders?limit=101", "", 400, web.CodeInvalidParameter},
			{"", "/v1/orders?limit=ten", "", 400, web.CodeInvalidParameter},
			{"", "/v1/orders?limit=1&limit=2", "", 400, web.CodeInvalidParameter},
			{"", "/v1/orders?limit=99999999999999999999", "", 400, web.CodeInvalidParameter},
			{"", "/v1/orders?cursor=x", "", 400, web.CodeInvalidCursor},
			{"", "/v1/orders?limit=%zz", "", 400, web.CodeInvalidParameter},
			{"", "/v2/orders", "", 404, web.CodeNotFound},
			{"", "/", "", 404, web.CodeNotFound},
		} {
			t.Run(c.path, func(t *testing.T) { s.get(t, c.path).Want(t, c.status, c.code) })
		}
	})
}

// An answer names every wrong field at once.
func TestEveryWrongFieldIsNamed(t *testing.T) {
	s := serve(t, nowhere(t))
	var p httpapi.Problem
	s.post(t,
		"/v1/orders", "k", `{"customer_id":"","account_id":"42","amount":{"currency":"XXX","minor":0},"description":"\u0007"}`).
		Want(t, 400, web.CodeInvalidField).Into(t, &p)
	var fields []string
	for _, e := range p.Errors {
		fields = append(fields, e.Field)
	}
	if got := strings.Join(fields, " "); got != "customer_id account_id amount.currency description" {
		t.Errorf("errors are of %s", got)
	}
}
