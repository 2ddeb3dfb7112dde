package httpapi

import (
	"github.com/gin-gonic/gin"

	"settlement/shared/web"
)

// SettleOrder accepts the instruction to settle an order.
func (a *API) SettleOrder(c *gin.Context, id OrderID, params SettleOrderParams) {
	var body struct{}
	if err := web.DecodeOptional(c, &body); err != nil {
		fail(c, err)
		return
	}
	a.instruct(c, id, params.IdempotencyKey, "settle", body, a.store.Settle)
}
