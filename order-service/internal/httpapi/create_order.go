package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/order-service/internal/order"
	"settlement/shared/idempotency"
	"settlement/shared/web"
)

// descriptionMaxLength is in characters, like the length of the column.
const descriptionMaxLength = 255

// CreateOrder stores a new order.
func (a *API) CreateOrder(c *gin.Context, params CreateOrderParams) {
	var body CreateOrderRequest
	if err := web.Decode(c, &body); err != nil {
		fail(c, err)
		return
	}
	if err := body.check(); err != nil {
		fail(c, err)
		return
	}

	req, err := idempotency.NewRequest(params.IdempotencyKey, "POST /v1/orders", body)
	if err != nil {
		fail(c, err)
		return
	}

	created, err := a.store.CreateOrder(c.Request.Context(), req, order.New{
		CustomerID: body.CustomerID, AccountID: body.AccountID, Amount: body.Amount,
		Description: body.Description,
	})
	if err != nil {
		fail(c, err)
		return
	}

	c.Header("Location", orderPath(created.ID))
	c.JSON(http.StatusCreated, newOrder(created))
}

func (r CreateOrderRequest) check() error {
	return web.Invalid(
		checkCustomerID(r.CustomerID, web.CodeInvalidField),
		web.CheckID("account_id", r.AccountID),
		web.CheckAmount("amount", r.Amount),
		web.CheckText("description", r.Description, 0, descriptionMaxLength),
	)
}
