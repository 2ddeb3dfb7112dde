package parking

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/dbtx"
)

// scrapeTimeout bounds the query behind a scrape.
const scrapeTimeout = 2 * time.Second

var (
	keptDesc = prometheus.NewDesc("parked_messages", "Messages that wait for an operator (parked) or for a predecessor (waiting).",
		[]string{"topic", "state", "cause"}, nil)
	oldestDesc = prometheus.NewDesc("parked_oldest_seconds", "Age of the oldest of them.", []string{"topic", "state", "cause"}, nil)
)

// Collector reports the kept messages, as they are at the scrape, from any instance.
type Collector struct{ Pool *dbtx.Pool }

// Describe implements prometheus.Collector.
func (c Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- keptDesc
	ch <- oldestDesc
}

// Collect implements prometheus.Collector.
func (c Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()

	var groups []struct {
		Topic, State, Cause string
		Messages, Age       float64
	}
	err := c.Pool.Read(ctx).Raw("SELECT topic, state, cause, COUNT(*) AS messages,"+
		" GREATEST(TIMESTAMPDIFF(MICROSECOND, MIN(waits_since), NOW(6)) / 1000000, 0) AS age"+
		" FROM parked_messages WHERE state IN (?, ?) GROUP BY topic, state, cause", Parked, Waiting).Scan(&groups).Error
	if err != nil {
		ch <- prometheus.NewInvalidMetric(keptDesc, err)
		return
	}

	for _, g := range groups {
		ch <- prometheus.MustNewConstMetric(keptDesc, prometheus.GaugeValue, g.Messages, g.Topic, g.State, g.Cause)
		ch <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, g.Age, g.Topic, g.State, g.Cause)
	}
}
