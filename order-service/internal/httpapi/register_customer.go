package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/idempotency"
	"settlement/shared/web"
)

// nameMaxLength is in characters, like the length of the column.
const nameMaxLength = 128

// RegisterCustomer stores a new customer.
func (a *API) RegisterCustomer(c *gin.Context, params RegisterCustomerParams) {
	var body RegisterCustomerRequest
	if err := web.Decode(c, &body); err != nil {
		fail(c, err)
		return
	}
	if err := web.Invalid(web.CheckText("name", body.Name, 1, nameMaxLength)); err != nil {
		fail(c, err)
		return
	}

	req, err := idempotency.NewRequest(params.IdempotencyKey, "POST /v1/customers", body)
	if err != nil {
		fail(c, err)
		return
	}
	registered, err := a.store.Register(c.Request.Context(), req, body.Name, web.Traceparent(c))
	if err != nil {
		fail(c, err)
		return
	}

	c.Header("Location", customerPath(registered.ID))
	c.JSON(http.StatusCreated, newCustomer(registered))
}
