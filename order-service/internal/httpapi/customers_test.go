package httpapi_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"settlement/order-service/internal/httpapi"
	"settlement/shared/web"
)

func TestCustomers(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		var c, again httpapi.Customer
		s.post(t, "/v1/customers", "register", `{"name":"韩梅梅"}`).Want(t, 201, "").Into(t, &c)
		s.post(t, "/v1/customers", "register", `{"name":"韩梅梅"}`).Want(t, 201, "").Into(t, &again)
		if again != c || c.Name != "韩梅梅" || c.PointsSeq != 1 {
			t.Errorf("registered %+v, and again %+v", c, again)
		}

		path := "/v1/customers/" + c.ID
		var a httpapi.PointsAccepted
		s.post(t, path+"/misconduct", uuid.NewString(), "").Want(t, 202, "").Into(t, &a)
		if a.CustomerID != c.ID || a.Seq != 2 || a.PointsNo == "" {
			t.Errorf("accepted %+v", a)
		}
		s.get(t, path).Want(t, 200, "").Into(t, &c)
		if c.PointsSeq != 2 {
			t.Errorf("customer is %+v", c)
		}

		s.get(t, "/v1/customers/"+uuid.NewString()).Want(t, 404, "customer_not_found")
		s.post(t, "/v1/customers/"+uuid.NewString()+"/misconduct", uuid.NewString(), "").
			Want(t, 404, "customer_not_found")
		s.get(t, "/v1/customers/42").Want(t, 400, web.CodeInvalidID)
		s.post(t, "/v1/customers/42/misconduct", uuid.NewString(), "").Want(t, 400, web.CodeInvalidID)
		s.post(t, path+"/misconduct", uuid.NewString(), `{"points":1}`).Want(t, 400, web.CodeUnknownField)
		for _, body := range []string{
			`{"name":""}`, `{"name":"a\u0007"}`, `{"name":"` + strings.Repeat("名", 129) + `"}`,
		} {
			s.post(t, "/v1/customers", uuid.NewString(), body).Want(t, 400, web.CodeInvalidField)
		}
		s.post(t, "/v1/customers", uuid.NewString(), `{}`).Want(t, 400, web.CodeMissingField)
	})
}
