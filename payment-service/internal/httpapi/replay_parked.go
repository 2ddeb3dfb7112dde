package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/idempotency"
	"settlement/shared/web"
)

// ReplayParked settles a parked message.
func (a *API) ReplayParked(c *gin.Context, id ParkedID, params ReplayParkedParams) {
	if err := web.Invalid(web.CheckID("id", id)); err != nil {
		fail(c, err)
		return
	}
	if err := web.DecodeEmpty(c); err != nil {
		fail(c, err)
		return
	}
	req, err := idempotency.NewRequest(params.IdempotencyKey, "POST /v1/parked/"+id+"/replay", struct{}{})
	if err != nil {
		fail(c, err)
		return
	}
	replayed, err := a.parking.Replay(c.Request.Context(), req, id)
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, newParked(replayed))
}
