package httpapi

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/parking"
	"settlement/shared/web"
)

// ListParked answers a page of parked messages, newest first.
func (a *API) ListParked(c *gin.Context, params ListParkedParams) {
	if err := params.check(); err != nil {
		fail(c, err)
		return
	}
	found, next, err := a.parking.List(c.Request.Context(), parking.Filter{
		State: parking.State(params.State), Cursor: params.Cursor, Limit: web.LimitOr(params.Limit),
	})
	if err != nil {
		fail(c, err)
		return
	}

	page := ParkedPage{Items: make([]Parked, 0, len(found)), NextCursor: next} // [] and not null when empty
	for _, r := range found {
		page.Items = append(page.Items, newParked(r))
	}
	c.JSON(http.StatusOK, page)
}

func (p ListParkedParams) check() error {
	var state, cursor *web.FieldError
	if p.State != "" && !p.State.Valid() {
		state = &web.FieldError{
			Field: "state", Code: web.CodeInvalidParameter,
			Detail: fmt.Sprintf("state is %.80q, must be one of %v", p.State, parking.States()),
		}
	}
	if p.Cursor != "" {
		cursor = web.CheckCursorID(p.Cursor)
	}
	return web.Invalid(state, cursor, web.CheckLimit(p.Limit))
}
