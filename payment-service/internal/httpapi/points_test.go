package httpapi_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/payment-service/internal/httpapi"
	"settlement/payment-service/internal/store"
	"settlement/shared/settlement"
	"settlement/shared/web"
)

func TestPoints(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		customer := uuid.NewString()
		path := "/v1/points/" + customer
		s.get(t, path).Want(t, 404, "points_not_found")

		change := func(seq int64, typ settlement.PointsType, points int64,
			reason string,
		) store.ReceivedPoints {
			return store.ReceivedPoints{Message: settlement.PointsChange{
				Version: settlement.Version, Type: typ, PointsNo: uuid.NewString(), CustomerID: customer,
				Seq: seq, Points: points,
				Reason: reason, OccurredAt: time.Now(),
			}}
		}

		_, err := s.store.ApplyPoints(t.Context(), []store.ReceivedPoints{
			change(1, settlement.PointsSet, 10, "registered"),
			change(2, settlement.PointsAdd, 2, "order_paid"),
			change(3, settlement.PointsAdd, -3, "misconduct"),
		})
		if err != nil {
			t.Fatal(err)
		}

		var first, second httpapi.Points
		s.get(t, path+"?limit=2").Want(t, 200, "").Into(t, &first)
		s.get(t, path+"?limit=2&cursor="+first.NextCursor).Want(t, 200, "").Into(t, &second)
		var was []int64
		for _, c := range append(first.History, second.History...) {
			was = append(was, c.Points)
		}
		if len(was) != 3 || was[0] != 9 || was[1] != 12 || was[2] != 10 || first.Points != 9 ||
			first.Seq != 3 || second.NextCursor != "" {
			t.Errorf("points are %+v, then %+v; want 9, and 12 and 10 before", first, second)
		}

		s.get(t, "/v1/points/42").Want(t, 400, web.CodeInvalidID)
		s.get(t, path+"?cursor=0").Want(t, 400, web.CodeInvalidCursor)
		s.get(t, path+"?limit=101").Want(t, 400, web.CodeInvalidParameter)
	})
}
