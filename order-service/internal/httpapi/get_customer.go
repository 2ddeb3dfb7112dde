package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/web"
)

// GetCustomer answers one customer.
func (a *API) GetCustomer(c *gin.Context, id CustomerKey) {
	if err := web.Invalid(web.CheckID("id", id)); err != nil {
		fail(c, err)
		return
	}
	found, err := a.store.Customer(c.Request.Context(), id)
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, newCustomer(found))
}
