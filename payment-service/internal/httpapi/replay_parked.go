package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/idempotency"
	"settlement/shared/operator"
	"settlement/shared/web"
)

// ReplayParked does what a parked message asks.
func (a *API) ReplayParked(c *gin.Context, id ParkedID, params ReplayParkedParams) {
	if err := web.Invalid(web.CheckID("id", id), checkOperator(params.Operator)); err != nil {
		fail(c, err)
		return
	}

	var body ReplayRequest
	if err := web.DecodeOptional(c, &body); err != nil {
		fail(c, err)
		return
	}
	if err := web.Invalid(web.CheckText("reason", body.Reason, 0, reasonMaxLength)); err != nil {
		fail(c, err)
		return
	}

	req, err := idempotency.NewRequest(params.IdempotencyKey, "POST /v1/parked/"+id+"/replay", body)
	if err != nil {
		fail(c, err)
		return
	}
	replayed, err := a.decisions.Replay(c.Request.Context(), &req, operator.Decision{
		Operator: params.Operator, Reason: body.Reason, CloseGap: body.CloseGap,
	}, id)
	if err != nil {
		fail(c, err)
		return
	}

	c.JSON(http.StatusOK, newParked(replayed))
}
