package listener

import (
	"github.com/prometheus/client_golang/prometheus"

	"settlement/payment-service/internal/store"
)

// instructionMetrics counts what became of the messages of the topic settlement.
type instructionMetrics struct {
	instructions *prometheus.CounterVec
	batchSize    prometheus.Histogram
}

func newInstructionMetrics(registry prometheus.Registerer) instructionMetrics {
	m := instructionMetrics{
		instructions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "settlement_instructions_total",
			Help: "Instructions by result: paid, declined, refunded, failed, repeated, conflict, waiting, released, poison, parked.",
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

func (m instructionMetrics) count(s store.Summary) {
	for _, d := range s.Decided {
		m.instructions.WithLabelValues(string(d.Outcome)).Inc()
	}
	m.instructions.WithLabelValues("repeated").Add(float64(s.Repeated))
	m.instructions.WithLabelValues("conflict").Add(float64(len(s.Conflicts)))
	m.instructions.WithLabelValues("waiting").Add(float64(s.Waiting))
	m.instructions.WithLabelValues("released").Add(float64(s.Released))
}
