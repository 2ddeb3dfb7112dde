// Package gauges reports what a database holds, asked for at each scrape: any instance of a service
// can report it, and none reports what it remembers.
package gauges

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTimeout bounds the query behind a scrape.
const scrapeTimeout = 2 * time.Second

// Set reports one value.
type Set func(desc *prometheus.Desc, value float64, labels ...string)

// Query is a prometheus.Collector of gauges that are read together.
type Query struct {
	Descs []*prometheus.Desc
	// Read asks the database and calls set for each value. After an error none of them is reported,
	// and the scrape says what is wrong: a part of them would look like the rest had gone.
	Read func(ctx context.Context, set Set) error
}

// Describe implements prometheus.Collector.
func (q Query) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range q.Descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (q Query) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var read []prometheus.Metric
	err := q.Read(ctx, func(desc *prometheus.Desc, value float64, labels ...string) {
		read = append(read, prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...))
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(q.Descs[0], err)
		return
	}

	for _, metric := range read {
		ch <- metric
	}
}
