package httpapi

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/payment-service/internal/payment"
	"settlement/payment-service/internal/points"
	"settlement/shared/parking"
	"settlement/shared/web"
)

// errBroker marks an error of asking the broker. Without it the answer would blame the database,
// which is fine.
var errBroker = errors.New("broker does not answer")

// fail answers with the problem that belongs to err. Refusals by the state of an account or a
// parked message carry their own code and are 409, see web.Fail.
func fail(c *gin.Context, err error) {
	switch {
	case errors.Is(err, payment.ErrAccountNotFound):
		err = web.NewProblem(http.StatusNotFound, string(ProblemCodeAccountNotFound), err.Error())
	case errors.Is(err, payment.ErrPaymentNotFound):
		err = web.NewProblem(http.StatusNotFound, string(ProblemCodePaymentNotFound), err.Error())
	case errors.Is(err, parking.ErrNotFound):
		err = web.NewProblem(http.StatusNotFound, string(ProblemCodeParkedNotFound), err.Error())
	case errors.Is(err, points.ErrNotFound):
		err = web.NewProblem(http.StatusNotFound, string(ProblemCodePointsNotFound), err.Error())
	case errors.Is(err, errBroker):
		err = web.NewRetryProblem(http.StatusServiceUnavailable, string(ProblemCodeBrokerUnavailable),
			"the broker cannot be asked now: try again").Because(err)
	}
	web.Fail(c, err)
}
