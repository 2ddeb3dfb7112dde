package journal

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/dbtx"
)

// scrapeTimeout bounds the query behind a scrape.
const scrapeTimeout = 2 * time.Second

var (
	positionDesc = prometheus.NewDesc("journal_position",
		"Position of the last record of the journal.", nil, nil)
	pendingDesc = prometheus.NewDesc("journal_pending",
		"Decisions that have no position in the journal yet.", nil, nil)
)

// Collector reports how far the journal is. It asks the database, so every instance can report it.
type Collector struct{ Pool *dbtx.Pool }

// Describe implements prometheus.Collector.
func (c Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- positionDesc
	ch <- pendingDesc
}

// Collect implements prometheus.Collector.
func (c Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var now struct{ Position, Pending float64 }
	err := c.Pool.Read(ctx).Raw("SELECT position, (SELECT COUNT(*) FROM journal_pending) AS pending FROM journal_head WHERE id = 1").Scan(&now).Error
	if err != nil {
		ch <- prometheus.NewInvalidMetric(positionDesc, err)
		return
	}

	ch <- prometheus.MustNewConstMetric(positionDesc, prometheus.GaugeValue, now.Position)
	ch <- prometheus.MustNewConstMetric(pendingDesc, prometheus.GaugeValue, now.Pending)
}
