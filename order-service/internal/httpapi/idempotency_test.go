package httpapi_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"

	"settlement/order-service/internal/store"
	"settlement/shared/settlement"
	"settlement/shared/web"
	"settlement/shared/web/webtest"
)

func TestRepeatGetsTheFirstAnswer(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		// The same JSON, written in another way, is the same request.
		first := s.post(t, "/v1/orders", "create",
			`{"customer_id":"c","account_id":"019a5e1c-7c00-7000-8000-000000000042","amount":{"currency":"CNY","minor":1}}`).Want(t, 201, "")
		again := s.post(t, "/v1/orders", "create",
			`{ "amount" : {"minor":1,"currency":"CNY"}, "description":"", "account_id":"019a5e1c-7c00-7000-8000-000000000042","customer_id":"\u0063"}`)
		if !first.Same(again) {
			t.Errorf("create: first\n%s\nthen\n%s", first.Body, again.Body)
		}

		paid := "/v1/orders/" + s.settled(t, settlement.Paid, "").ID
		created := "/v1/orders/" + s.create(t, "c").ID
		refund, refused := s.post(t, paid+"/refund", "refund", "").
			Want(t, 202, ""), s.post(t, created+"/refund", "refused", "").
			Want(t, 409, store.CodeNotRefundable)
		settle := s.post(t, created+"/settle", "settle", "{}").Want(t, 202, "")

		before := s.rows(t)
		for _, repeat := range []struct {
			path, key string
			first     webtest.Answer
		}{
			{paid + "/refund", "refund", refund},
			{created + "/refund", "refused", refused}, // although the order has moved on
			{created + "/settle", "settle", settle},   // with and without the empty object
		} {
			if again := s.post(t, repeat.path, repeat.key, ""); !repeat.first.Same(again) {
				t.Errorf("%s: first\n%s\nthen\n%s", repeat.path, repeat.first.Body, again.Body)
			}
		}
		s.wantRows(t, before)
	})
}

func TestKeyOfAnotherRequest(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		o, other, declined := s.create(t, "c").ID, s.create(t, "c").
			ID, s.settled(t, settlement.Declined, "insufficient_funds").ID
		s.post(t, "/v1/orders", "k1", newOrderBody("c", 1)).Want(t, 201, "")
		s.post(t, "/v1/orders/"+o+"/settle", "k2", "").Want(t, 202, "")
		s.post(t, "/v1/orders/"+declined+"/refund", "k3", "").Want(t, 409, store.CodeNotRefundable)

		before := s.rows(t)
		s.post(t, "/v1/orders", "k1", newOrderBody("c", 2)).Want(t, 422, web.CodeKeyReused)
		s.post(t, "/v1/orders/"+o+"/settle", "k1", "").Want(t, 422, web.CodeKeyReused)
		s.post(t, "/v1/orders/"+other+"/settle", "k2", "").Want(t, 422, web.CodeKeyReused)
		s.post(t, "/v1/orders/"+o+"/refund", "k2", "").Want(t, 422, web.CodeKeyReused)
		s.post(t, "/v1/orders/"+o+"/settle", "k3", "").Want(t, 422, web.CodeKeyReused)
		s.wantRows(t, before)
	})
}

// A request that failed for a reason of its own leaves its key free.
func TestKeyOfFailedRequestIsFree(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		unknown := uuid.Must(uuid.NewV7()).String()
		s.post(t, "/v1/orders", "k", `{}`).Want(t, 400, web.CodeMissingField)
		s.post(t, "/v1/orders/"+unknown+"/settle", "k", "").Want(t, 404, "order_not_found")
		s.post(t, "/v1/orders", "k", newOrderBody("c", 1)).Want(t, 201, "")
	})
}

func TestOneKeyAtOnce(t *testing.T) {
	const requests = 50
	each(t, func(t *testing.T, s service) {
		o := s.create(t, "c")
		for _, path := range []string{"/v1/orders", "/v1/orders/" + o.ID + "/settle"} {
			body := ""
			if path == "/v1/orders" {
				body = newOrderBody("c", 5)
			}

			key := uuid.NewString()
			answers := make([]webtest.Answer, requests)
			var wg sync.WaitGroup
			for i := range answers {
				wg.Go(func() { answers[i] = s.post(t, path, key, body) })
			}
			wg.Wait()

			first := s.post(t, path, key, body)
			if first.Status >= 300 {
				t.Fatalf("%s: %d %s", path, first.Status, first.Body)
			}
			for _, a := range answers {
				if !a.Same(first) {
					a.Want(t, 409, web.CodeKeyInFlight)
				}
			}
		}

		for query, want := range map[string]int{
			"SELECT COUNT(*) FROM orders": 2, "SELECT COUNT(*) FROM outbox": 1,
			"SELECT MAX(seq) FROM orders": 1, "SELECT COUNT(*) FROM idempotency_keys": 3,
		} {
			var got int
			if err := s.db.QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %d, %v, want %d", query, got, err, want)
			}
		}
	})
}

// Fifty keys for one order: one settle is accepted, however often the client clicks.
func TestManyKeysAtOnce(t *testing.T) {
	const requests = 50
	each(t, func(t *testing.T, s service) {
		path := "/v1/orders/" + s.create(t, "c").ID + "/settle"
		answers := make([]webtest.Answer, requests)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = s.post(t, path, uuid.NewString(), "") })
		}
		wg.Wait()

		accepted := 0
		for _, a := range answers {
			if a.Status == 202 {
				accepted++
				continue
			}
			a.Want(t, 409, store.CodeNotSettleable)
		}

		var messages int
		if err := s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM outbox").
			Scan(&messages); err != nil || accepted != 1 || messages != 1 {
			t.Errorf("%d accepted, %d messages, %v", accepted, messages, err)
		}
	})
}

func TestKeyInFlight(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		tx, err := s.db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		_, err = tx.ExecContext(t.Context(),
			"INSERT INTO idempotency_keys (idem_key, request_hash, result, refusal_code, refusal_detail,"+
				" created_at) VALUES ('k', '', '', '', '', NOW())")
		if err != nil {
			t.Fatal(err)
		}

		if answer := s.post(t, "/v1/orders", "k", newOrderBody("c", 1)).
			Want(t, 409, web.CodeKeyInFlight); answer.Header.Get("Retry-After") == "" {
			t.Error("409 in flight without Retry-After")
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		s.post(t, "/v1/orders", "k", newOrderBody("c", 1)).Want(t, 201, "")
	})
}
