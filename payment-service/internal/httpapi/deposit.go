package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/idempotency"
	"settlement/shared/web"
)

// Deposit puts money into a wallet.
func (a *API) Deposit(c *gin.Context, id AccountID, params DepositParams) {
	if err := web.Invalid(web.CheckID("id", id)); err != nil {
		fail(c, err)
		return
	}

	var body DepositRequest
	if err := web.Decode(c, &body); err != nil {
		fail(c, err)
		return
	}
	if err := web.Invalid(web.CheckAmount("amount", body.Amount)); err != nil {
		fail(c, err)
		return
	}

	req, err := idempotency.NewRequest(params.IdempotencyKey, "POST /v1/accounts/"+id+"/deposits", body)
	if err != nil {
		fail(c, err)
		return
	}
	d, err := a.store.Deposit(c.Request.Context(), req, id, body.Amount)
	if err != nil {
		fail(c, err)
		return
	}

	c.JSON(http.StatusCreated, Deposit{
		DepositNo: d.DepositNo, AccountID: d.AccountID, Amount: d.Amount, Balance: d.Balance,
		CreatedAt: d.CreatedAt.UTC(),
	})
}
