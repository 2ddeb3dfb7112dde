package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/idempotency"
	"settlement/shared/web"
)

// ReportMisconduct takes points from a customer.
func (a *API) ReportMisconduct(c *gin.Context, id CustomerKey, params ReportMisconductParams) {
	if err := web.Invalid(web.CheckID("id", id)); err != nil {
		fail(c, err)
		return
	}
	if err := web.DecodeOptional(c, &struct{}{}); err != nil {
		fail(c, err)
		return
	}

	req, err := idempotency.NewRequest(params.IdempotencyKey,
		"POST "+customerPath(id)+"/misconduct", struct{}{})
	if err != nil {
		fail(c, err)
		return
	}
	taken, err := a.store.Misconduct(c.Request.Context(), req, id, web.Traceparent(c))
	if err != nil {
		fail(c, err)
		return
	}

	c.Header("Location", customerPath(id))
	c.JSON(http.StatusAccepted, PointsAccepted{
		CustomerID: taken.CustomerID, PointsNo: taken.PointsNo, Seq: taken.Seq,
	})
}
