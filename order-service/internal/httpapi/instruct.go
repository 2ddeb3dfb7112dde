package httpapi

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/order-service/internal/order"
	"settlement/shared/idempotency"
	"settlement/shared/traceparent"
	"settlement/shared/web"
)

// accept is a store's method that takes an instruction for an order.
type accept func(ctx context.Context, req idempotency.Request,
	orderID, traceparent string) (order.Accepted, error)

// instruct answers POST /v1/orders/{id}/<name>, whose body is decoded and checked.
func (a *API) instruct(c *gin.Context, id OrderID, key, name string, body any, accept accept) {
	if err := web.Invalid(web.CheckID("id", id)); err != nil {
		fail(c, err)
		return
	}
	req, err := idempotency.NewRequest(key, "POST "+orderPath(id)+"/"+name, body)
	if err != nil {
		fail(c, err)
		return
	}

	accepted, err := accept(c.Request.Context(), req, id, web.Traceparent(c))
	if err != nil {
		fail(c, err)
		return
	}

	a.log.Info("instruction accepted", "type", name, "payment_no",
		accepted.PaymentNo, "order_id", accepted.OrderID,
		"seq", accepted.Seq, "trace_id", traceparent.TraceID(web.Traceparent(c))) // logged again for each repeat of the request
	c.Header("Location", orderPath(id))
	c.JSON(http.StatusAccepted, newAccepted(accepted))
}
