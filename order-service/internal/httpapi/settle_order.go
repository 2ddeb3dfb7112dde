package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/idempotency"
	"settlement/shared/web"
)

// SettleOrder accepts the instruction to settle an order.
func (a *API) SettleOrder(c *gin.Context, id OrderID, params SettleOrderParams) {
	if err := web.Invalid(web.CheckID("id", id)); err != nil {
		fail(c, err)
		return
	}
	if err := web.DecodeEmpty(c); err != nil {
		fail(c, err)
		return
	}
	req, err := idempotency.NewRequest(params.IdempotencyKey, "POST "+orderPath(id)+"/settle", struct{}{})
	if err != nil {
		fail(c, err)
		return
	}
	accepted, err := a.store.Settle(c.Request.Context(), req, id, web.Traceparent(c))
	if err != nil {
		fail(c, err)
		return
	}
	c.Header("Location", orderPath(id))
	c.JSON(http.StatusAccepted, newAccepted(accepted))
}
