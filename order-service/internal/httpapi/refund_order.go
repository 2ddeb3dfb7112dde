package httpapi

import (
	"context"

	"github.com/gin-gonic/gin"

	"settlement/order-service/internal/order"
	"settlement/shared/idempotency"
	"settlement/shared/web"
)

// RefundOrder accepts the instruction to refund an order that is paid, or to cancel one that is
// settling.
func (a *API) RefundOrder(c *gin.Context, id OrderID, params RefundOrderParams) {
	var body RefundOrderRequest
	if err := web.DecodeOptional(c, &body); err != nil {
		fail(c, err)
		return
	}
	if err := body.check(); err != nil {
		fail(c, err)
		return
	}

	refund := func(ctx context.Context, req idempotency.Request,
		orderID, traceparent string,
	) (order.Accepted, error) {
		return a.store.Refund(ctx, req, orderID, traceparent, body.Amount)
	}
	a.instruct(c, id, params.IdempotencyKey, "refund", body, refund)
}

func (r RefundOrderRequest) check() error {
	if r.Amount == nil {
		return nil
	}
	return web.Invalid(web.CheckAmount("amount", *r.Amount))
}
