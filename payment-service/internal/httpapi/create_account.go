package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/idempotency"
	"settlement/shared/web"
)

// ownerMaxLength is in characters, like the length of the column.
const ownerMaxLength = 128

// CreateAccount opens an empty wallet.
func (a *API) CreateAccount(c *gin.Context, params CreateAccountParams) {
	var body CreateAccountRequest
	if err := web.Decode(c, &body); err != nil {
		fail(c, err)
		return
	}
	if err := body.check(); err != nil {
		fail(c, err)
		return
	}

	req, err := idempotency.NewRequest(params.IdempotencyKey, "POST /v1/accounts", body)
	if err != nil {
		fail(c, err)
		return
	}
	created, err := a.store.CreateAccount(c.Request.Context(), req, body.Owner, body.Currency)
	if err != nil {
		fail(c, err)
		return
	}

	c.Header("Location", "/v1/accounts/"+created.ID)
	c.JSON(http.StatusCreated, newAccount(created))
}

func (r CreateAccountRequest) check() error {
	return web.Invalid(
		web.CheckText("owner", r.Owner, 1, ownerMaxLength),
		web.CheckCurrency("currency", r.Currency),
	)
}
