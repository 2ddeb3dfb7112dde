package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/web"
)

// GetOrder answers one order.
func (a *API) GetOrder(c *gin.Context, id OrderID) {
	if err := web.Invalid(web.CheckID("id", id)); err != nil {
		fail(c, err)
		return
	}
	found, err := a.store.Order(c.Request.Context(), id)
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, newOrder(found))
}
