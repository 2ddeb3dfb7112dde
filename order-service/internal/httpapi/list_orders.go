package httpapi

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/order-service/internal/order"
	"settlement/order-service/internal/store"
	"settlement/shared/web"
)

// ListOrders answers a page of orders, newest first.
func (a *API) ListOrders(c *gin.Context, params ListOrdersParams) {
	if err := params.check(); err != nil {
		fail(c, err)
		return
	}
	found, next, err := a.store.Orders(c.Request.Context(), store.Filter{
		CustomerID: params.CustomerID, Status: order.Status(params.Status), Cursor: params.Cursor,
		Limit: web.LimitOr(params.Limit),
	})
	if err != nil {
		fail(c, err)
		return
	}

	page := OrderPage{Items: make([]Order, 0, len(found)), NextCursor: next} // [] and not null when empty
	for _, o := range found {
		page.Items = append(page.Items, newOrder(o))
	}
	c.JSON(http.StatusOK, page)
}

func (p ListOrdersParams) check() error {
	var customer, status, cursor *web.FieldError
	if p.CustomerID != "" {
		customer = checkCustomerID(p.CustomerID, web.CodeInvalidParameter)
	}
	if p.Status != "" && !p.Status.Valid() {
		status = &web.FieldError{
			Field: "status", Code: web.CodeInvalidParameter,
			Detail: fmt.Sprintf("status is %.80q, must be one of %v", p.Status, order.Statuses()),
		}
	}
	if p.Cursor != "" {
		cursor = web.CheckCursorID(p.Cursor)
	}
	return web.Invalid(customer, status, cursor, web.CheckLimit(p.Limit))
}
