package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/shared/web"
)

// GetPayment answers what was decided under a payment number.
func (a *API) GetPayment(c *gin.Context, paymentNo ID) {
	if err := web.Invalid(web.CheckID("payment_no", paymentNo)); err != nil {
		fail(c, err)
		return
	}
	m, err := a.store.Payment(c.Request.Context(), paymentNo)
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, Payment{
		PaymentNo: m.PaymentNo, OrderID: m.OrderID, Seq: m.Seq, Type: PaymentType(m.Type),
		Outcome: PaymentOutcome(m.Outcome),
		Reason:  m.Reason, AccountID: m.AccountID, Amount: m.Amount, CreatedAt: m.CreatedAt.UTC(),
	})
}
