package listener

import (
	"github.com/prometheus/client_golang/prometheus"

	"settlement/payment-service/internal/store"
)

// Metrics counts what became of the messages of the settlement topic.
type Metrics struct {
	instructions *prometheus.CounterVec
	batchSize    prometheus.Histogram
}

// NewMetrics registers the listener's metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		instructions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "settlement_instructions_total",
			Help: "Instructions by result: paid, declined, refunded, failed, repeated, stale, waiting, released, poison, parked.",
		}, []string{"result"}),
		batchSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "settlement_batch_size",
			Help:    "Messages in one batch from the broker.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 8),
		}),
	}
	registry.MustRegister(m.instructions, m.batchSize)
	return m
}

func (m *Metrics) count(s store.Summary) {
	for _, d := range s.Decided {
		m.instructions.WithLabelValues(string(d.Outcome)).Inc()
	}
	m.instructions.WithLabelValues("repeated").Add(float64(s.Repeated))
	m.instructions.WithLabelValues("stale").Add(float64(len(s.Stale)))
	m.instructions.WithLabelValues("waiting").Add(float64(s.Waiting))
	m.instructions.WithLabelValues("released").Add(float64(s.Released))
}
