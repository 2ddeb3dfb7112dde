package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/idempotency"
	"settlement/shared/operator"
	"settlement/shared/web"
)

// DiscardParked gives a parked message up for good.
func (a *API) DiscardParked(c *gin.Context, id ParkedID, params DiscardParkedParams) {
	if err := web.Invalid(web.CheckID("id", id), checkOperator(params.Operator)); err != nil {
		fail(c, err)
		return
	}

	var body DiscardRequest
	if err := web.Decode(c, &body); err != nil {
		fail(c, err)
		return
	}
	if err := web.Invalid(web.CheckText("reason", body.Reason, 1, reasonMaxLength)); err != nil {
		fail(c, err)
		return
	}

	req, err := idempotency.NewRequest(params.IdempotencyKey, "POST /v1/parked/"+id+"/discard", body)
	if err != nil {
		fail(c, err)
		return
	}
	discarded, err := a.decisions.Discard(c.Request.Context(), &req, operator.Decision{
		Operator: params.Operator, Reason: body.Reason, CloseGap: body.CloseGap,
	}, id)
	if err != nil {
		fail(c, err)
		return
	}

	c.JSON(http.StatusOK, newParked(discarded))
}
