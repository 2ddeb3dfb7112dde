package httpapi

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/order-service/internal/customer"
	"settlement/order-service/internal/order"
	"settlement/shared/web"
)

// fail answers err as a problem. A refusal because of an order's status carries its own code and is
// a 409: see web.Fail.
func fail(c *gin.Context, err error) {
	switch {
	case errors.Is(err, order.ErrNotFound):
		err = web.NewProblem(http.StatusNotFound, string(ProblemCodeOrderNotFound), err.Error())
	case errors.Is(err, customer.ErrNotFound):
		err = web.NewProblem(http.StatusNotFound, string(ProblemCodeCustomerNotFound), err.Error())
	}
	web.Fail(c, err)
}
