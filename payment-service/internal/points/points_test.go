package points_test

import (
	"testing"

	"settlement/payment-service/internal/fence"
	"settlement/payment-service/internal/points"
	"settlement/shared/settlement"
)

func TestPointsFollowTheSequence(t *testing.T) {
	var b points.Balance

	for i, step := range []struct {
		change     settlement.PointsChange
		want       int64
		wasAtPlace fence.Verdict
	}{
		{settlement.PointsChange{Seq: 2, Type: settlement.PointsAdd, Points: 2}, 0, fence.Ahead},
		{settlement.PointsChange{Seq: 1, Type: settlement.PointsSet, Points: 10}, 10, fence.Due},
		{settlement.PointsChange{Seq: 1, Type: settlement.PointsSet, Points: 10}, 10, fence.Stale},
		{settlement.PointsChange{Seq: 2, Type: settlement.PointsAdd, Points: 2}, 12, fence.Due},
		{settlement.PointsChange{Seq: 3, Type: settlement.PointsAdd, Points: -3}, 9, fence.Due},
		{settlement.PointsChange{Seq: 2, Type: settlement.PointsAdd, Points: 2}, 9, fence.Stale},
	} {
		place := fence.Compare(step.change.Seq, b.LastSeq)
		if place == fence.Due {
			b = b.Apply(step.change)
		}

		if place != step.wasAtPlace || b.Points != step.want {
			t.Errorf("step %d: place %v and %d points, want %v and %d",
				i, place, b.Points, step.wasAtPlace, step.want)
		}
	}
}
