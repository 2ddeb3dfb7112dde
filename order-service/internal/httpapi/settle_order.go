package httpapi

import "github.com/gin-gonic/gin"

// SettleOrder accepts the instruction to settle an order.
func (a *API) SettleOrder(c *gin.Context, id OrderID, params SettleOrderParams) {
	a.instruct(c, id, params.IdempotencyKey, "settle", a.store.Settle)
}
