package httpapi

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"settlement/shared/web"
)

// GetPoints answers a customer's points and a page of their history, newest first. The cursor is
// the sequence of the last change of the page before.
func (a *API) GetPoints(c *gin.Context, customerID ID, params GetPointsParams) {
	before, badCursor := web.CursorNumber(params.Cursor)
	if err := web.Invalid(web.CheckID("customer_id", customerID), badCursor,
		web.CheckLimit(params.Limit)); err != nil {
		fail(c, err)
		return
	}

	balance, found, more, err := a.store.Points(c.Request.Context(),
		customerID, before, web.LimitOr(params.Limit))
	if err != nil {
		fail(c, err)
		return
	}

	answer := Points{
		CustomerID: customerID, Points: balance.Points, Seq: balance.LastSeq,
		History: make([]PointsChange, 0, len(found)),
	}
	for _, ch := range found {
		answer.History = append(answer.History, PointsChange{
			PointsNo: ch.PointsNo, Seq: ch.Seq, Type: PointsChangeType(ch.Type), Change: ch.ChangeBy,
			Points: ch.Points,
			Reason: ch.Reason, OccurredAt: ch.OccurredAt.UTC(),
		})
	}
	if more {
		answer.NextCursor = strconv.FormatInt(found[len(found)-1].Seq, 10)
	}

	c.JSON(http.StatusOK, answer)
}
