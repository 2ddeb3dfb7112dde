package httpapi_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"

	"settlement/payment-service/internal/httpapi"
	"settlement/shared/web"
	"settlement/shared/web/webtest"
)

func TestRepeatGetsTheFirstAnswer(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		first := s.post(t, "/v1/accounts", "create", `{"owner":"Li Lei","currency":"CNY"}`).Want(t, 201, "")
		if again := s.post(t, "/v1/accounts", "create",
			`{ "currency":"CNY", "owner":"\u004ci Lei" }`); !again.Same(first) {
			t.Errorf("create: first\n%s\nthen\n%s", first.Body, again.Body)
		}

		path := first.Header.Get("Location")
		first = s.post(t, path+"/deposits", "deposit", deposit(100)).Want(t, 201, "")
		s.post(t, path+"/deposits", "other", deposit(100)).Want(t, 201, "")
		before := s.rows(t)
		if again := s.post(t, path+"/deposits", "deposit", deposit(100)); !again.Same(first) {
			t.Errorf("deposit: first\n%s\nthen\n%s", first.Body, again.Body)
		}

		s.post(t, path+"/deposits", "deposit", deposit(101)).Want(t, 422, web.CodeKeyReused)
		s.post(t, path+"/deposits", "create", deposit(100)).Want(t, 422, web.CodeKeyReused)
		s.wantRows(t, before)
	})
}

func TestOneKeyAtOnce(t *testing.T) {
	const requests = 50
	each(t, func(t *testing.T, s service) {
		_, path := s.open(t)
		key := uuid.NewString()
		answers := make([]webtest.Answer, requests)
		var wg sync.WaitGroup

		for i := range answers {
			wg.Go(func() { answers[i] = s.post(t, path+"/deposits", key, deposit(100)) })
		}
		wg.Wait()

		first := s.post(t, path+"/deposits", key, deposit(100)).Want(t, 201, "")
		for _, a := range answers {
			if !a.Same(first) {
				a.Want(t, 409, web.CodeKeyInFlight)
			}
		}

		var a httpapi.Account
		s.get(t, path).Want(t, 200, "").Into(t, &a)
		if a.Balance.Minor != 100 {
			t.Errorf("balance is %d after one deposit of 100 was sent %d times", a.Balance.Minor, requests)
		}
	})
}
