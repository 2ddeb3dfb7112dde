package outbox

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/dbtx"
)

// scrapeTimeout bounds the query behind a scrape.
const scrapeTimeout = 2 * time.Second

var (
	depthDesc = prometheus.NewDesc("outbox_depth", "Rows that wait to be sent.", nil, nil)
	ageDesc   = prometheus.NewDesc("outbox_age_seconds", "Age of the oldest row that waits to be sent.", nil, nil)
)

// Collector reports outbox depth and age as they are at the scrape, from any instance.
type Collector struct{ Pool *dbtx.Pool }

// Describe implements prometheus.Collector.
func (c Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- depthDesc
	ch <- ageDesc
}

// Collect implements prometheus.Collector.
func (c Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var now struct {
		Depth float64
		Age   float64
	}
	err := c.Pool.Read(ctx).Raw("SELECT COUNT(*) AS depth," +
		" COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(created_at), NOW(6)) / 1000000, 0) AS age FROM outbox").Scan(&now).Error
	if err != nil {
		ch <- prometheus.NewInvalidMetric(depthDesc, err)
		return
	}
	ch <- prometheus.MustNewConstMetric(depthDesc, prometheus.GaugeValue, now.Depth)
	ch <- prometheus.MustNewConstMetric(ageDesc, prometheus.GaugeValue, now.Age)
}
