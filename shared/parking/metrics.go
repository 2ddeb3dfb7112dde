package parking

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/dbtx"
	"settlement/shared/gauges"
)

var (
	keptDesc = prometheus.NewDesc("parked_messages",
		"Messages that wait for an operator (parked) or for a predecessor (waiting).",
		[]string{"topic", "state", "cause"}, nil)
	oldestDesc = prometheus.NewDesc("parked_oldest_seconds", "Age of the oldest of them.",
		[]string{"topic", "state", "cause"}, nil)
)

// Gauges reports the kept messages.
func Gauges(pool *dbtx.Pool) prometheus.Collector {
	return gauges.Query{
		Descs: []*prometheus.Desc{keptDesc, oldestDesc},
		Read: func(ctx context.Context, set gauges.Set) error {
			var groups []struct {
				Topic, State, Cause string
				Messages, Age       float64
			}
			err := pool.Read(ctx).Raw("SELECT topic, state, cause, COUNT(*) AS messages,"+
				" GREATEST(TIMESTAMPDIFF(MICROSECOND, MIN(waits_since), NOW(6)) / 1000000, 0) AS age"+
				" FROM parked_messages WHERE state IN (?, ?) GROUP BY topic, state, cause", Parked, Waiting).
				Scan(&groups).Error
			for _, g := range groups {
				set(keptDesc, g.Messages, g.Topic, g.State, g.Cause)
				set(oldestDesc, g.Age, g.Topic, g.State, g.Cause)
			}
			return err
		},
	}
}
