package checker_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"settlement/e2e/checker"
)

// told is one attempt of a client: what it asked and what it was told. A status of 0 is no answer.
type told struct {
	key, path, body string
	status          int
	answer          string
}

// historyOf records the attempts.
func historyOf(t *testing.T, attempts []told) *checker.History {
	t.Helper()
	h := checker.NewHistory()
	for _, a := range attempts {
		next := transport(func(*http.Request) (*http.Response, error) {
			if a.status == 0 {
				return nil, errors.New("the connection was cut")
			}
			return &http.Response{StatusCode: a.status, Body: io.NopCloser(strings.NewReader(a.answer))}, nil
		})
		_, _ = post(t, h, next, a.key, "http://service"+a.path, a.body)
	}
	return h
}

const (
	settlePath  = "/v1/orders/" + paidOrder + "/settle"
	newPath     = "/v1/orders/" + newOrder + "/settle"
	depositPath = "/v1/accounts/" + payer + "/deposits"
	settleKey   = "k-" + first
)

func acceptedAnswer(order, no string, seq int) string {
	return fmt.Sprintf(`{"order_id":%q,"payment_no":%q,"seq":%d,"status":"settling"}`, order, no, seq)
}

func problemAnswer(status int, code string) string {
	return fmt.Sprintf(`{"type":"about:blank","status":%d,"code":%q,"detail":"d"}`, status, code)
}

func orderAnswer(id string) string {
	return fmt.Sprintf(`{"id":%q,"customer_id":"c","account_id":%q,"amount":{"currency":"CNY","minor":30},"description":"","status":"created",`+
		`"payment_no":"","reason":"","seq":0,"created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05Z"}`, id, payer)
}

func walletAnswer(id string) string {
	return fmt.Sprintf(`{"id":%q,"owner":"o","currency":"CNY","balance":{"currency":"CNY","minor":0},"created_at":"2026-01-02T03:04:05.000006Z"}`,
		id)
}

func depositAnswer(no string, minor int) string {
	return fmt.Sprintf(`{"deposit_no":%q,"account_id":%q,"amount":{"currency":"CNY","minor":%d},"balance":{"currency":"CNY","minor":%d},"created_at":"2026-01-02T03:04:05Z"}`,
		no, payer, minor, minor)
}

// accepted202 is the good settle of the paid order.
var accepted202 = told{settleKey, settlePath, "{}", 202, acceptedAnswer(paidOrder, first, 1)}

// Each history of calls contradicts the good books, or itself.
var badCalls = []struct {
	name     string
	want     want
	put      func(b *books)
	attempts []told
}{
	{
		"a retry got another payment number",
		want{checker.Key, "one request has two answers", paidOrder, first},
		nil,
		[]told{
			accepted202, {settleKey, settlePath, "{}", 202, acceptedAnswer(paidOrder, second, 1)},
		},
	},
	{
		"accepted, then refused",
		want{checker.Key, "one request has two answers", paidOrder, first},
		nil,
		[]told{
			accepted202, {settleKey, settlePath, "{}", 409, problemAnswer(409, "order_not_settleable")},
		},
	},
	{"refused for two reasons", want{checker.Key, "one request has two answers", newOrder, ""}, nil, []told{
		{"k", newPath, "{}", 404, problemAnswer(404, "order_not_found")},
		{"k", newPath, "{}", 400, problemAnswer(400, "invalid_id")},
	}},
	{
		"two requests with one key were done",
		want{checker.Key, "two requests were answered", newOrder, first},
		nil,
		[]told{
			accepted202, {settleKey, newPath, "{}", 202, acceptedAnswer(newOrder, first, 1)},
		},
	},
	{
		"refused as reused and was the only one",
		want{checker.Key, "a key was refused as used", newOrder, ""},
		nil,
		[]told{
			{"k", newPath, "{}", 422, problemAnswer(422, "idempotency_key_reused")},
		},
	},
	{"done and not remembered", want{checker.Key, "answered, and not remembered", paidOrder, ""}, nil, []told{
		{"k", settlePath, "{}", 202, acceptedAnswer(paidOrder, first, 1)},
	}},
	{
		"refused by its state and not remembered",
		want{checker.Key, "answered, and not remembered", newOrder, ""},
		nil,
		[]told{
			{"k", newPath, "{}", 409, problemAnswer(409, "order_not_settleable")},
		},
	},
	{
		"told another answer than is remembered",
		want{checker.Key, "the answer under the key is not", paidOrder, first},
		nil,
		[]told{
			{settleKey, settlePath, "{}", 202, acceptedAnswer(paidOrder, first, 2)},
		},
	},
	{
		"told less than is remembered",
		want{checker.Key, "the answer under the key is not", paidOrder, first},
		nil,
		[]told{
			{
				settleKey, settlePath, "{}", 202, `{"order_id":"` + paidOrder + `","payment_no":"` + first +
					`"}`,
			},
		},
	},
	{
		"told done and remembered as refused",
		want{checker.Key, "the answer under the key is not", newOrder, ""},
		func(b *books) {
			b.exec(b.orders,
				"INSERT INTO idempotency_keys VALUES ('k', 'h', '', 'order_not_settleable', 'd',"+
					" NOW())")
		},
		[]told{{"k", newPath, "{}", 202, acceptedAnswer(newOrder, second, 1)}},
	},
	{
		"told refused and remembered as done",
		want{checker.Key, "the answer under the key is not", paidOrder, first},
		nil,
		[]told{
			{settleKey, settlePath, "{}", 409, problemAnswer(409, "order_not_settleable")},
		},
	},
	{
		"told that it does not exist, and done",
		want{checker.Key, "refused, and an answer is remembered", paidOrder, first},
		nil,
		[]told{
			{settleKey, settlePath, "{}", 0, ""},
			{settleKey, settlePath, "{}", 404, problemAnswer(404, "order_not_found")},
		},
	},
	{
		"a retry created another order",
		want{checker.Key, "one request has two answers", newOrder, ""},
		nil,
		[]told{
			{"k-new", "/v1/orders", "{}", 201, orderAnswer(newOrder)},
			{"k-new", "/v1/orders", "{}", 201, orderAnswer(paidOrder)},
		},
	},
	{
		"told another time than is remembered",
		want{checker.Key, "the answer under the key is not", "", ""},
		nil,
		[]told{
			{
				"k-payer", "/v1/accounts", "{}", 201,
				strings.Replace(walletAnswer(payer), ".000006Z", ".000007Z", 1),
			},
		},
	},
	{
		"accepted for another order",
		want{checker.Key, "accepted for another order", newOrder, first},
		nil,
		[]told{
			{settleKey, newPath, "{}", 202, acceptedAnswer(paidOrder, first, 1)},
		},
	},
	{
		"accepted and never decided",
		want{checker.Lost, "a client was told accepted, and it was never decided", newOrder, second},
		func(b *books) { b.asked() },
		[]told{{"k-" + second, newPath, "{}", 202, acceptedAnswer(newOrder, second, 1)}},
	},
	{
		"accepted and the order is gone",
		want{checker.Lost, "a client was told accepted, and the order is gone", paidOrder, first},
		func(b *books) { b.exec(b.orders, "DELETE FROM orders") },
		[]told{accepted202},
	},
	{
		"accepted and decided in another place",
		want{checker.Lost, "a client was told accepted, and it was decided as another", paidOrder, first},
		func(b *books) { b.exec(b.payments, "UPDATE payment_numbers SET seq = 2") },
		[]told{accepted202},
	},
	{
		"an order is not there",
		want{checker.Lost, "a client was told of an order", newOrder, ""},
		func(b *books) { b.exec(b.orders, "DELETE FROM orders WHERE id = ?", newOrder) },
		[]told{{"k-new", "/v1/orders", "{}", 201, orderAnswer(newOrder)}},
	},
	{
		"a wallet is not there",
		want{checker.Lost, "a client was told of a wallet", "", ""},
		func(b *books) { b.exec(b.payments, "DELETE FROM accounts WHERE id = ?", bystander) },
		[]told{{"k-bystander", "/v1/accounts", "{}", 201, walletAnswer(bystander)}},
	},
	{"answered 500, then done", want{
		checker.Key, "a request was answered as a fault of the service's own", paidOrder, "",
	}, nil, []told{
		{settleKey, settlePath, "{}", 500, problemAnswer(500, "internal")}, accepted202,
	}},
	{
		"a deposit is not there",
		want{checker.Lost, "a client was told of a deposit", "", deposit},
		func(b *books) { b.exec(b.payments, "DELETE FROM entries WHERE payment_no = ?", deposit) },
		[]told{{"k-deposit", depositPath, "{}", 201, depositAnswer(deposit, 1000)}},
	},
}

func TestEachContradictionOfTheCallsIsSeen(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		for _, bad := range badCalls {
			b.good()
			if bad.put != nil {
				bad.put(b)
			}

			found, err := c.CheckCalls(t.Context(), historyOf(t, bad.attempts))
			bad.want.in(t, bad.name, found, err)
		}
	})
}

func TestCallsThatAgree(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		for _, good := range goodCalls {
			b.good()
			if good.put != nil {
				good.put(b)
			}

			found, err := c.CheckCalls(t.Context(), historyOf(t, good.attempts))
			wantNone(t, good.name, found, err)
		}
	})
}

// goodCalls look like contradictions and are none.
var goodCalls = []struct {
	name     string
	put      func(b *books)
	attempts []told
}{
	{"nothing asked", nil, nil},
	{"everything asked once", nil, []told{
		{"k-payer", "/v1/accounts", "{}", 201, walletAnswer(payer)},
		{"k-deposit", depositPath, "{}", 201, depositAnswer(deposit, 1000)},
		{"k-order", "/v1/orders", "{}", 201, orderAnswer(paidOrder)},
		accepted202,
	}},
	{"a time in another zone", nil, []told{
		{
			"k-payer", "/v1/accounts", "{}", 201,
			strings.Replace(walletAnswer(payer), "03:04:05.000006Z", "11:04:05.000006+08:00", 1),
		},
	}},
	{"unknown twice, in flight, then known twice", nil, []told{
		{settleKey, settlePath, "{}", 0, ""},
		{settleKey, settlePath, "{}", 503, problemAnswer(503, "outcome_unknown")},
		{settleKey, settlePath, "{}", 409, problemAnswer(409, "idempotency_key_in_flight")},
		accepted202, accepted202,
	}},
	{"unknown for ever, and done", nil, []told{{settleKey, settlePath, "{}", 0, ""}}},
	{"unknown for ever, and not done", nil, []told{{"k", newPath, "{}", 0, ""}}},
	{"one key at each service", func(b *books) {
		b.exec(b.payments, "UPDATE idempotency_keys SET idem_key = ? WHERE idem_key = 'k-deposit'", settleKey)
	}, []told{accepted202, {settleKey, depositPath, "{}", 201, depositAnswer(deposit, 1000)}}},
	{
		"one key with another body", nil,
		[]told{accepted202, {settleKey, newPath, "{}", 422, problemAnswer(422, "idempotency_key_reused")}},
	},
	{"a wrong request, which leaves its key free", nil, []told{
		{"k", newPath, "x", 400, problemAnswer(400, "malformed_json")},
		{"k", newPath, "x", 400, problemAnswer(400, "malformed_json")},
		{settleKey, settlePath, "x", 400, problemAnswer(400, "malformed_json")},
		accepted202,
	}},
	{"refused twice", func(b *books) {
		b.exec(b.orders, "INSERT INTO idempotency_keys VALUES ('k', 'h', '', 'order_not_settleable', 'd',"+
			" NOW())")
	}, []told{
		{"k", newPath, "{}", 409, problemAnswer(409, "order_not_settleable")},
		{"k", newPath, "{}", 409, problemAnswer(409, "order_not_settleable")},
	}},
	{"accepted and parked", func(b *books) {
		b.asked()
		b.parked("parked", newOrder, second, 1, "")
	}, []told{{"k-" + second, newPath, "{}", 202, acceptedAnswer(newOrder, second, 1)}}},
	{"accepted and waiting behind a parked one", func(b *books) {
		b.accepted(newOrder, second, 2, "settling")
		b.parked("waiting", newOrder, second, 2, "")
		b.parked("parked", newOrder, third, 1, "")
	}, []told{{"k-" + second, newPath, "{}", 202, acceptedAnswer(newOrder, second, 2)}}},
	{"an operator's replay", func(b *books) {
		b.key(b.payments, "k", `{"ID":"m","State":"replayed","PaymentNo":"`+
			first+`","OrderID":"`+paidOrder+`","Seq":1}`)
	}, []told{{
		"k", "/v1/parked/m/replay", "{}", 200, `{"id":"m","state":"replayed","payment_no":"` + first +
			`","order_id":"` + paidOrder + `","seq":1,"payload":"p"}`,
	}}},
}
