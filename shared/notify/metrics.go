package notify

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/dbtx"
	"settlement/shared/gauges"
)

var pendingDesc = prometheus.NewDesc("notifications_pending",
	"Notices that were not taken yet, by channel.", []string{"channel"}, nil)

// Gauges reports how many notices wait.
func Gauges(pool *dbtx.Pool) prometheus.Collector {
	return gauges.Query{
		Descs: []*prometheus.Desc{pendingDesc},
		Read: func(ctx context.Context, set gauges.Set) error {
			var waiting []struct {
				Channel string
				Notices float64
			}
			err := pool.Read(ctx).Raw("SELECT channel, COUNT(*) AS notices FROM notifications WHERE told_at" +
				" IS" +
				" NULL GROUP BY channel").
				Scan(&waiting).Error
			for _, w := range waiting {
				set(pendingDesc, w.Notices, w.Channel)
			}
			return err
		},
	}
}
