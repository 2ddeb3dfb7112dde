package notify

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/dbtx"
)

// scrapeTimeout bounds the query behind a scrape.
const scrapeTimeout = 2 * time.Second

var pendingDesc = prometheus.NewDesc("notifications_pending", "Notices that were not taken yet, by channel.", []string{"channel"}, nil)

// Collector reports how many notices wait, from any instance.
type Collector struct{ Pool *dbtx.Pool }

// Describe implements prometheus.Collector.
func (c Collector) Describe(ch chan<- *prometheus.Desc) { ch <- pendingDesc }

// Collect implements prometheus.Collector.
func (c Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()

	var waiting []struct {
		Channel string
		Notices float64
	}
	err := c.Pool.Read(ctx).Raw("SELECT channel, COUNT(*) AS notices FROM notifications WHERE told_at IS NULL GROUP BY channel").Scan(&waiting).Error
	if err != nil {
		ch <- prometheus.NewInvalidMetric(pendingDesc, err)
		return
	}

	for _, w := range waiting {
		ch <- prometheus.MustNewConstMetric(pendingDesc, prometheus.GaugeValue, w.Notices, w.Channel)
	}
}
