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
	"settlement/payment-service/internal/backlog"
	"settlement/payment-service/internal/httpapi"
	"settlement/payment-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/money"
	"settlement/shared/notify"
	"settlement/shared/operator"
	"settlement/shared/outbox"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
	"settlement/shared/web"
	"settlement/shared/web/webtest"
)

const (
	spec = "openapi.yaml"
	// closedAddr is a port that nobody listens on, for a broker or a database that is away.
	closedAddr = "127.0.0.1:1"
)

// service is the HTTP side of payment-service on a database of its own, without a broker.
type service struct {
	*webtest.API
	store *store.Store
	lot   *parking.Lot
	db    *sql.DB
}

func each(t *testing.T, test func(t *testing.T, s service)) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) { test(t, serve(t, db.Pool)) })
}

func serve(t *testing.T, pool *dbtx.Pool) service {
	t.Helper()
	db, err := pool.SQL()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := rocketmq.NewAdmin(closedAddr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })

	keeper := parking.NewKeeper(notify.NewTeller(pool, slog.New(slog.DiscardHandler)), time.Now)
	books := store.New(pool, keeper, testdb.Topics, func() {}, time.Now)
	lot := parking.NewLot(pool, keeper)
	decisions := operator.New(pool, keeper, lot,
		parking.Resolvers{settlement.TopicSettlement: books.Instructions()})
	reader := backlog.NewReader(admin,
		backlog.Subscription{Topic: settlement.TopicSettlement, Group: settlement.GroupPayment})

	handler := httpapi.New(books, lot, decisions, reader, web.Config{
		Logger:  slog.New(slog.DiscardHandler),
		Metrics: prometheus.NewRegistry(),
		Checks: map[string]web.Check{
			"database": func(ctx context.Context) error { return pool.Writable(ctx, outbox.Table) },
			"broker": func(ctx context.Context) error {
				return admin.Ping(ctx,
					settlement.TopicSettlement)
			},
		},
	})
	return service{API: webtest.Serve(t, handler, spec), store: books, lot: lot, db: db}
}

// nowhere is a pool whose database does not answer.
func nowhere(t *testing.T) *dbtx.Pool {
	t.Helper()
	pool, err := dbtx.Open(dbtx.Config{Addr: closedAddr, Name: "none", User: "none"},
		prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
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

// open opens a wallet in CNY and returns its path.
func (s service) open(t *testing.T) (id, path string) {
	t.Helper()
	var a httpapi.Account
	s.post(t, "/v1/accounts", uuid.NewString(), `{"owner":"Li Lei","currency":"CNY"}`).Want(t, 201, "").
		Into(t, &a)
	return a.ID, "/v1/accounts/" + a.ID
}

func deposit(minor int64) string {
	return fmt.Sprintf(`{"amount":{"currency":"CNY","minor":%d}}`, minor)
}

// settle carries out a settle instruction for a new order and returns its payment number.
func (s service) settle(t *testing.T, accountID string, minor int64) string {
	t.Helper()
	in := newInstruction(accountID, minor)
	if _, err := s.store.SettleBatch(t.Context(), []store.Received{{Message: in}}); err != nil {
		t.Fatal(err)
	}
	return in.PaymentNo
}

func newInstruction(accountID string, minor int64) settlement.Instruction {
	return settlement.Instruction{
		Version: settlement.Version, Type: settlement.Settle, PaymentNo: uuid.Must(uuid.NewV7()).String(),
		OrderID: uuid.Must(uuid.NewV7()).String(), Seq: 1, AccountID: accountID,
		Amount: money.Money{Currency: money.CNY, Minor: minor}, RequestedAt: time.Now().UTC(),
	}
}

// rows counts the rows of every table that a request can change, and shows what updates change.
func (s service) rows(t *testing.T) map[string]string {
	t.Helper()
	counts := map[string]string{}
	for _, query := range []string{
		"SELECT COUNT(*) FROM accounts", "SELECT COUNT(*) FROM entries",
		"SELECT COUNT(*) FROM payment_numbers",
		"SELECT COUNT(*) FROM order_progress", "SELECT COUNT(*) FROM outbox",
		"SELECT COUNT(*) FROM idempotency_keys",
		"SELECT COALESCE(SUM(balance_minor), 0) FROM accounts",
		"SELECT COALESCE(GROUP_CONCAT(CONCAT(id, state, resolution, updated_at) ORDER BY id), '') FROM" +
			" parked_messages",
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

func TestWallet(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		owner := strings.Repeat("韩", 127) + "😀"
		answer := s.post(t, "/v1/accounts", uuid.NewString(), `{"owner":"`+owner+`","currency":"CNY"}`)
		var a httpapi.Account
		answer.Want(t, 201, "").Into(t, &a)
		path := answer.Header.Get("Location")
		if path != "/v1/accounts/"+a.ID || a.Owner != owner || a.Currency != money.CNY ||
			a.Balance != (money.Money{Currency: money.CNY}) {
			t.Errorf("new account is %+v at %q", a, path)
		}
		if read := s.get(t, path).Want(t, 200, ""); string(read.Body) != string(answer.Body) {
			t.Errorf("read as\n%s\nafter it was answered as\n%s", read.Body, answer.Body)
		}

		var page httpapi.EntryPage
		s.get(t, path+"/entries").Want(t, 200, "").Into(t, &page)
		if page.Items == nil || len(page.Items) != 0 || page.NextCursor != "" {
			t.Errorf("entries of a new account are %+v", page)
		}

		var d httpapi.Deposit
		s.post(t, path+"/deposits", uuid.NewString(), deposit(money.AmountMaxMinor)).Want(t, 201, "").
			Into(t, &d)
		if d.AccountID != a.ID || d.Amount.Minor != money.AmountMaxMinor || d.Balance != d.Amount {
			t.Errorf("deposit answered %+v", d)
		}

		var p httpapi.Payment
		no := s.settle(t, a.ID, 1999)
		s.get(t, "/v1/payments/"+no).Want(t, 200, "").Into(t, &p)
		if p.PaymentNo != no || p.Type != "settle" || p.Outcome != "paid" || p.Reason != "" || p.Seq != 1 ||
			p.AccountID != a.ID || p.Amount.Minor != 1999 {
			t.Errorf("payment is %+v", p)
		}

		s.get(t, path).Want(t, 200, "").Into(t, &a)
		if a.Balance.Minor != money.AmountMaxMinor-1999 {
			t.Errorf("balance is %+v", a.Balance)
		}
		s.get(t, path+"/entries").Want(t, 200, "").Into(t, &page)
		if len(page.Items) != 2 || page.Items[0].PaymentNo != no || page.Items[0].Amount.Minor != -1999 ||
			page.Items[0].Kind != "settle" ||
			page.Items[1].PaymentNo != d.DepositNo || page.Items[1].Kind != "deposit" {
			t.Errorf("entries are %+v", page.Items)
		}

		s.get(t, "/v1/payments/"+s.settle(t, a.ID, money.AmountMaxMinor)).Want(t, 200, "").Into(t, &p)
		if p.Outcome != "declined" || p.Reason != "insufficient_funds" {
			t.Errorf("declined payment is %+v", p)
		}
	})
}

func TestEntriesByPages(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		_, other := s.open(t)
		_, path := s.open(t)
		const deposits = 23
		for i := range int64(deposits) {
			s.post(t, path+"/deposits", uuid.NewString(), deposit(i+1)).Want(t, 201, "")
			s.post(t, other+"/deposits", uuid.NewString(), deposit(1000)).Want(t, 201, "")
		}

		var page httpapi.EntryPage
		s.get(t, path+"/entries?cursor=&limit=").Want(t, 200, "").Into(t, &page)
		if len(page.Items) != web.LimitDefault || page.NextCursor == "" {
			t.Errorf("a page has %d entries, cursor %q", len(page.Items), page.NextCursor)
		}

		want := int64(deposits)
		for cursor, pages := "", 0; pages < 10; pages++ {
			s.get(t, path+"/entries?limit=5&cursor="+cursor).Want(t, 200, "").Into(t, &page)
			for _, e := range page.Items {
				if e.Amount.Minor != want {
					t.Fatalf("entry is %d, want %d, newest first", e.Amount.Minor, want)
				}
				want--
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}

		if want != 0 {
			t.Errorf("%d entries are missing", want)
		}
	})
}

// The examples are what a reader tries first.
func TestExamplesOfTheContractWork(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		s.post(t, "/v1/accounts", uuid.NewString(), s.Example(t, "/v1/accounts")).Want(t, 201, "")
		_, path := s.open(t)
		s.post(t, path+"/deposits", uuid.NewString(), s.Example(t, "/v1/accounts/{id}/deposits")).
			Want(t, 201, "")
		poison := s.park(t, []byte("not JSON"))
		s.post(t, poison+"/discard", uuid.NewString(), s.Example(t, "/v1/parked/{id}/discard")).
			Want(t, 200, "")
	})
}

func TestContractAgreesWithTheRules(t *testing.T) {
	s := serve(t, nowhere(t))
	webtest.WantEdge(t, s.Doc)
	webtest.WantEnum(t, s.Doc, "ParkedState", parking.States())
}

// None of these reaches the database.
func TestRequestsAreTakenAsTheContractSays(t *testing.T) {
	s := serve(t, nowhere(t))
	s.WantOnlyListedParameters(t)
	s.WantCursorsAsListed(t)
	s.WantHeads(t)
	s.WantAmountsAsListed(t, "/v1/accounts/019a5e1c-7c00-7000-8000-000000000042/deposits",
		"DepositRequest", func(minor string) string {
			return `{"amount":{"currency":"CNY","minor":` + minor + `}}`
		})
}

func TestDatabaseAndBrokerAway(t *testing.T) {
	s := serve(t, nowhere(t))
	id := uuid.NewString()

	for _, answer := range []webtest.Answer{
		s.post(t, "/v1/accounts", "k", `{"owner":"a","currency":"CNY"}`),
		s.post(t, "/v1/accounts/"+id+"/deposits", "k", deposit(1)),
		s.post(t, "/v1/parked/"+id+"/replay", "k", ""),
		s.post(t, "/v1/parked/"+id+"/discard", "k", `{"reason":"a"}`),
		s.get(t, "/v1/accounts/"+id),
		s.get(t, "/v1/accounts/"+id+"/entries"),
		s.get(t, "/v1/payments/"+id),
		s.get(t, "/v1/parked"),
	} {
		answer.Want(t, 503, web.CodeUnavailable)
		if answer.Header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		if strings.Contains(string(answer.Body), "127.0.0.1") {
			t.Errorf("the answer shows where the database is: %s", answer.Body)
		}
	}

	if answer := s.get(t, "/v1/backlog").
		Want(t, 503, "broker_unavailable"); strings.Contains(string(answer.Body), "127.0.0.1") {
		t.Errorf("the answer shows where the broker is: %s", answer.Body)
	}
	if ready := s.get(t, "/readyz"); ready.Status != 503 ||
		string(ready.Body) != `{"checks":{"broker":"failed","database":"failed"},"status":"not_ready"}` {
		t.Errorf("/readyz is %d %s", ready.Status, ready.Body)
	}

	s.get(t, "/healthz").Want(t, 200, "")
	s.get(t, "/metrics").Want(t, 200, "")
}
