package httpapi_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/order-service/internal/httpapi"
	"settlement/order-service/internal/order"
	"settlement/order-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/money"
	"settlement/shared/notify"
	"settlement/shared/outbox"
	"settlement/shared/parking"
	"settlement/shared/settlement"
	"settlement/shared/web"
	"settlement/shared/web/webtest"
)

const spec = "openapi.yaml"

// service is the HTTP side of order-service on a database of its own.
type service struct {
	*webtest.API
	store *store.Store
	pool  *dbtx.Pool
	db    *sql.DB
}

func each(t *testing.T, test func(t *testing.T, s service)) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) { test(t, serve(t, db.Pool)) })
}

func serve(t *testing.T, pool *dbtx.Pool) service {
	t.Helper()
	db, err := pool.SQL()
	if err != nil {
		t.Fatal(err)
	}
	orders := store.New(pool, parking.NewKeeper(notify.NewTeller(pool, slog.New(slog.DiscardHandler)),
		time.Now), testdb.Topics, func() {}, time.Now)
	handler := httpapi.New(orders, web.Config{
		Logger:  slog.New(slog.DiscardHandler),
		Metrics: prometheus.NewRegistry(),
		Checks: map[string]web.Check{"database": func(ctx context.Context) error {
			return pool.Writable(ctx,
				outbox.Table)
		}, "broker": func(context.Context) error { return nil }},
	})
	return service{API: webtest.Serve(t, handler, spec), store: orders, pool: pool, db: db}
}

func (s service) get(t *testing.T, path string) webtest.Answer {
	t.Helper()
	return s.Do(t, webtest.Request{Method: "GET", Path: path})
}

// post sends body, none when empty, under key.
func (s service) post(t *testing.T, path, key, body string) webtest.Answer {
	t.Helper()
	return s.Do(t, webtest.Request{Method: "POST", Path: path, Key: key, Body: body})
}

// create creates an order of customer.
func (s service) create(t *testing.T, customer string) httpapi.Order {
	t.Helper()
	var o httpapi.Order
	s.post(t, "/v1/orders", uuid.NewString(), newOrderBody(customer, 1999)).Want(t, 201, "").Into(t, &o)
	return o
}

// settled creates an order and brings it to the end of a settle.
func (s service) settled(t *testing.T, outcome settlement.OutcomeType, reason string) httpapi.Order {
	t.Helper()
	o := s.create(t, "customer-42")
	var a httpapi.Accepted
	s.post(t, "/v1/orders/"+o.ID+"/settle", uuid.NewString(), "").Want(t, 202, "").Into(t, &a)
	return s.ends(t, a, outcome, o.Amount, reason)
}

// ends applies the outcome of an instruction, and reads its order.
func (s service) ends(
	t *testing.T, a httpapi.Accepted, outcome settlement.OutcomeType, amount money.Money, reason string,
) (o httpapi.Order) {
	t.Helper()
	applied, err := s.store.ApplyOutcomes(t.Context(), []store.Received{{Message: settlement.Outcome{
		Version: settlement.Version, Type: outcome, PaymentNo: a.PaymentNo, OrderID: a.OrderID, Seq: a.Seq,
		Amount: amount,
		Reason: reason, OccurredAt: time.Now(),
	}}})
	if err != nil || len(applied.Changed) != 1 {
		t.Fatalf("%s of %s: %+v, %v", outcome, a.PaymentNo, applied, err)
	}
	s.get(t, "/v1/orders/"+a.OrderID).Want(t, 200, "").Into(t, &o)
	return o
}

func newOrderBody(customer string, minor int64) string {
	return fmt.Sprintf(`{"customer_id":%q,"account_id":"019a5e1c-7c00-7000-8000-000000000042","amount":{"currency":"CNY","minor":%d}}`,
		customer, minor)
}

// rows counts the rows of every table that a request can change, and sums up the orders'
// states, so that an update shows too.
func (s service) rows(t *testing.T) map[string]string {
	t.Helper()
	counts := map[string]string{}
	for _, query := range []string{
		"SELECT COUNT(*) FROM orders", "SELECT COUNT(*) FROM outbox", "SELECT COUNT(*) FROM payments",
		"SELECT COUNT(*) FROM idempotency_keys",
		"SELECT COALESCE(GROUP_CONCAT(CONCAT(id, status, seq, updated_at) ORDER BY id), '') FROM orders",
	} {
		var n string
		if err := s.db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		counts[query] = n
	}
	return counts
}

// wantRows fails the test when the tables are not as before.
func (s service) wantRows(t *testing.T, before map[string]string) {
	t.Helper()
	if after := s.rows(t); !maps.Equal(before, after) {
		t.Errorf("tables changed:\nbefore %v\nafter  %v", before, after)
	}
}

func TestOrderThroughItsLife(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		description := strings.Repeat("票", 254) + "😀"
		answer := s.post(t, "/v1/orders", uuid.NewString(),
			`{"customer_id":"a.B_9:-","account_id":"019a5e1c-7c00-7000-8000-000000000042","amount":{"currency":"JPY","minor":1000000000000},"description":"`+description+`"}`)
		var o httpapi.Order
		answer.Want(t, 201, "").Into(t, &o)
		if got := answer.Header.Get("Location"); got != "/v1/orders/"+o.ID {
			t.Errorf("Location is %q", got)
		}
		if o.Status != "created" || o.PaymentNo != "" || o.Reason != "" || o.Seq != 0 ||
			o.Description != description || o.CreatedAt != o.UpdatedAt {
			t.Errorf("new order is %+v", o)
		}
		if read := s.get(t, "/v1/orders/"+o.ID).Want(t, 200, ""); string(read.Body) != string(answer.Body) {
			t.Errorf("read as\n%s\nafter it was answered as\n%s", read.Body, answer.Body)
		}

		var accepted httpapi.Accepted
		answer = s.post(t, "/v1/orders/"+o.ID+"/settle", uuid.NewString(), "{}").Want(t, 202, "")
		answer.Into(t, &accepted)
		if accepted.OrderID != o.ID || accepted.Seq != 1 || accepted.Status != "settling" ||
			answer.Header.Get("Location") != "/v1/orders/"+o.ID {
			t.Errorf("settle answered %+v, Location %q", accepted, answer.Header.Get("Location"))
		}
		s.get(t, "/v1/orders/"+o.ID).Want(t, 200, "").Into(t, &o)
		if o.Status != "settling" || o.PaymentNo != accepted.PaymentNo || o.Seq != 1 {
			t.Errorf("order is %+v after %+v", o, accepted)
		}
		s.post(t, "/v1/orders/"+o.ID+"/settle", uuid.NewString(), "").Want(t, 409, store.CodeNotSettleable)

		paid := s.settled(t, settlement.Paid, "")
		s.post(t, "/v1/orders/"+paid.ID+"/settle", uuid.NewString(), "").Want(t, 409, store.CodeNotSettleable)
		s.post(t, "/v1/orders/"+paid.ID+"/refund", uuid.NewString(), "").Want(t, 202, "").Into(t, &accepted)
		if accepted.Status != "refunding" || accepted.Seq != 2 || accepted.PaymentNo == paid.PaymentNo {
			t.Errorf("refund answered %+v", accepted)
		}
		s.post(t, "/v1/orders/"+paid.ID+"/refund", uuid.NewString(), "").Want(t, 409, store.CodeNotRefundable)

		declined := s.settled(t, settlement.Declined, "insufficient_funds")
		if declined.Status != "declined" || declined.Reason != "insufficient_funds" {
			t.Errorf("declined order is %+v", declined)
		}
		s.post(t, "/v1/orders/"+declined.ID+"/settle", uuid.NewString(), "").Want(t, 202, "")
	})
}

func TestRefunds(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		paid := s.settled(t, settlement.Paid, "")
		path := "/v1/orders/" + paid.ID + "/refund"
		part := func(minor int64) string {
			return fmt.Sprintf(`{"amount":{"currency":"CNY","minor":%d}}`,
				minor)
		}
		cny := func(minor int64) money.Money { return money.Money{Currency: money.CNY, Minor: minor} }
		if paid.Refunded != cny(0) {
			t.Errorf("refunded of a paid order is %+v", paid.Refunded)
		}

		s.post(t, path, uuid.NewString(), part(2000)).Want(t, 409, store.CodeRefundAmount)
		s.post(t, path, uuid.NewString(), `{"amount":{"currency":"USD","minor":1}}`).
			Want(t, 409, store.CodeRefundAmount)

		var a httpapi.Accepted
		s.post(t, path, "part", part(500)).Want(t, 202, "").Into(t, &a)
		s.post(t, path, "part", "").Want(t, 422, web.CodeKeyReused)
		if o := s.ends(t, a, settlement.Refunded, cny(500), ""); o.Status != "paid" ||
			o.Refunded != cny(500) {
			t.Errorf("refunded in part: %+v", o)
		}

		s.post(t, path, uuid.NewString(), part(1500)).Want(t, 409, store.CodeRefundAmount)
		s.post(t, path, uuid.NewString(), "").Want(t, 202, "").Into(t, &a)
		if o := s.ends(t, a, settlement.Failed, cny(1499), "discarded"); o.Status != "paid" ||
			o.Reason != "discarded" || o.Refunded != cny(500) {
			t.Errorf("a discarded refund leaves %+v", o)
		}
		s.post(t, path, uuid.NewString(), part(1499)).Want(t, 202, "").Into(t, &a)
		if o := s.ends(t, a, settlement.Refunded, cny(1499), ""); o.Status != "refunded" ||
			o.Refunded != cny(1999) || o.Reason != "" {
			t.Errorf("refunded: %+v", o)
		}
	})
}

func TestACustomerCancels(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		o := s.create(t, "customer-42")
		var settle, refund httpapi.Accepted
		s.post(t, "/v1/orders/"+o.ID+"/settle", uuid.NewString(), "").Want(t, 202, "").Into(t, &settle)
		path := "/v1/orders/" + o.ID + "/refund"
		s.post(t, path, uuid.NewString(), `{"amount":{"currency":"CNY","minor":1}}`).
			Want(t, 409, store.CodeRefundAmount)
		s.post(t, path, uuid.NewString(), "").Want(t, 202, "").Into(t, &refund)
		if refund.Status != "cancelling" || refund.Seq != 2 {
			t.Errorf("cancelled as %+v", refund)
		}

		s.post(t, path, uuid.NewString(), "").Want(t, 409, store.CodeNotRefundable)
		s.post(t, "/v1/orders/"+o.ID+"/settle", uuid.NewString(), "").Want(t, 409, store.CodeNotSettleable)
		var page httpapi.OrderPage
		if s.get(t, "/v1/orders?status=cancelling").Want(t, 200, "").Into(t, &page); len(page.Items) != 1 {
			t.Errorf("cancelling orders: %+v", page.Items)
		}

		s.ends(t, settle, settlement.Declined, o.Amount, "insufficient_funds")
		if o := s.ends(t, refund, settlement.Failed, o.Amount, "nothing_to_refund"); o.Status != "declined" ||
			o.Reason != "insufficient_funds" {
			t.Errorf("cancelled and not paid: %+v", o)
		}
	})
}

func TestListOrders(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		var page httpapi.OrderPage
		s.get(t, "/v1/orders?customer_id=&status=&cursor=&limit=").Want(t, 200, "").Into(t, &page)
		if page.Items == nil || len(page.Items) != 0 || page.NextCursor != "" {
			t.Errorf("empty list is %+v", page)
		}

		var created []string
		for i := range 23 {
			created = append([]string{s.create(t, fmt.Sprintf("customer-%d", i%2)).ID}, created...)
		}
		s.settled(t, settlement.Paid, "")

		s.get(t, "/v1/orders").Want(t, 200, "").Into(t, &page)
		if len(page.Items) != web.LimitDefault || page.NextCursor == "" {
			t.Errorf("a page has %d orders, cursor %q", len(page.Items), page.NextCursor)
		}
		s.get(t, "/v1/orders?status=paid").Want(t, 200, "").Into(t, &page)
		if len(page.Items) != 1 || page.Items[0].Status != "paid" {
			t.Errorf("paid orders are %+v", page.Items)
		}

		var walked []string
		for cursor, pages := "", 0; pages < 10; pages++ {
			s.get(t, "/v1/orders?status=created&limit=7&cursor="+cursor).Want(t, 200, "").Into(t, &page)
			for _, o := range page.Items {
				walked = append(walked, o.ID)
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		if strings.Join(walked, "\n") != strings.Join(created, "\n") {
			t.Errorf("pages gave\n%v\nwant newest first\n%v", walked, created)
		}

		s.get(t, "/v1/orders?customer_id=customer-1&limit=100").Want(t, 200, "").Into(t, &page)
		if len(page.Items) != 11 || page.NextCursor != "" {
			t.Errorf("customer-1 has %d orders, cursor %q", len(page.Items), page.NextCursor)
		}
	})
}

func TestTraceparentReachesTheOutbox(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		for _, header := range []string{given, "00-broken"} {
			o := s.create(t, "customer-42")
			answer := s.Do(t, webtest.Request{
				Method: "POST", Path: "/v1/orders/" + o.ID + "/settle", Key: uuid.NewString(),
				Header: map[string]string{"traceparent": header},
			}).Want(t, 202, "")

			var stored string
			err := s.db.QueryRowContext(t.Context(), "SELECT traceparent FROM outbox WHERE sharding_key = ?",
				o.ID).Scan(&stored)
			if err != nil || stored != answer.Header.Get("traceparent") {
				t.Errorf("outbox has %q, %v, the answer %q", stored, err, answer.Header.Get("traceparent"))
			}
			if header == given && stored != given {
				t.Errorf("%q became %q", given, stored)
			}
		}
	})
}

// The examples are what a reader tries first.
func TestExamplesOfTheContractWork(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		s.post(t, "/v1/orders", uuid.NewString(), s.Example(t, "/v1/orders")).Want(t, 201, "")
		settle := s.Example(t, "/v1/orders/{id}/settle")
		s.post(t, "/v1/orders/"+s.create(t, "c").ID+"/settle", uuid.NewString(), settle).Want(t, 202, "")
		refund := s.Example(t, "/v1/orders/{id}/refund")
		s.post(t, "/v1/orders/"+s.settled(t, settlement.Paid, "").ID+"/refund", uuid.NewString(), refund).
			Want(t, 202, "")
	})
}

func TestContractAgreesWithTheRules(t *testing.T) {
	s := serve(t, nowhere(t))
	webtest.WantEdge(t, s.Doc)
	webtest.WantEnum(t, s.Doc, "OrderStatus", order.Statuses())
}

// None of these reaches the database.
func TestRequestsAreTakenAsTheContractSays(t *testing.T) {
	s := serve(t, nowhere(t))
	s.WantOnlyListedParameters(t)
	s.WantCursorsAsListed(t)
	s.WantHeads(t)
	s.WantAmountsAsListed(t, "/v1/orders", "CreateOrderRequest", func(minor string) string {
		return `{"customer_id":"c","account_id":"019a5e1c-7c00-7000-8000-000000000042","amount":{"currency":"CNY","minor":` + minor + `}}`
	})
}

// nowhere is a pool whose database does not answer.
func nowhere(t *testing.T) *dbtx.Pool {
	t.Helper()
	pool, err := dbtx.Open(dbtx.Config{Addr: "127.0.0.1:1", Name: "none", User: "none"},
		prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func TestDatabaseAway(t *testing.T) {
	s := serve(t, nowhere(t))
	id := uuid.NewString()
	for _, answer := range []webtest.Answer{
		s.post(t, "/v1/orders", "k", newOrderBody("c", 1)),
		s.post(t, "/v1/orders/"+id+"/settle", "k", ""),
		s.post(t, "/v1/orders/"+id+"/refund", "k", ""),
		s.get(t, "/v1/orders/"+id),
		s.get(t, "/v1/orders"),
	} {
		answer.Want(t, 503, web.CodeUnavailable)
		if answer.Header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		if strings.Contains(string(answer.Body), "127.0.0.1") {
			t.Errorf("the answer shows where the database is: %s", answer.Body)
		}
	}

	if ready := s.get(t, "/readyz"); ready.Status != 503 ||
		string(ready.Body) != `{"checks":{"broker":"ok","database":"failed"},"status":"not_ready"}` {
		t.Errorf("/readyz is %d %s", ready.Status, ready.Body)
	}
	s.get(t, "/healthz").Want(t, 200, "")
	s.get(t, "/metrics").Want(t, 200, "")
}
