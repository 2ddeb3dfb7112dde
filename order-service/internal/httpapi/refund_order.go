package httpapi

import "github.com/gin-gonic/gin"

// RefundOrder accepts the instruction to refund a paid order.
func (a *API) RefundOrder(c *gin.Context, id OrderID, params RefundOrderParams) {
	a.instruct(c, id, params.IdempotencyKey, "refund", a.store.Refund)
}
