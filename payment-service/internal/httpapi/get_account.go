package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/web"
)

// GetAccount answers one wallet with its balance.
func (a *API) GetAccount(c *gin.Context, id AccountID) {
	if err := web.Invalid(web.CheckID("id", id)); err != nil {
		fail(c, err)
		return
	}
	account, err := a.store.Account(c.Request.Context(), id)
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, newAccount(account))
}
