package journal

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/dbtx"
	"settlement/shared/gauges"
)

var (
	positionDesc = prometheus.NewDesc("journal_position",
		"Position of the last record of the journal.", nil, nil)
	pendingDesc = prometheus.NewDesc("journal_pending",
		"Decisions that have no position in the journal yet.", nil, nil)
)

// Gauges reports how far the journal is.
func Gauges(pool *dbtx.Pool) prometheus.Collector {
	return gauges.Query{
		Descs: []*prometheus.Desc{positionDesc, pendingDesc},
		Read: func(ctx context.Context, set gauges.Set) error {
			var now struct{ Position, Pending float64 }
			err := pool.Read(ctx).Raw("SELECT position, (SELECT COUNT(*) FROM journal_pending) AS pending" +
				" FROM" +
				" journal_head WHERE id = 1").
				Scan(&now).Error
			if err != nil {
				return err
			}

			set(positionDesc, now.Position)
			set(pendingDesc, now.Pending)
			return nil
		},
	}
}
