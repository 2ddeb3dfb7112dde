// Package foundation is what both services stand on: a migrated database, the broker, the outbox
// with its relay, and the dispatch of notices.
package foundation

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"settlement/migrations"
	"settlement/shared/config"
	"settlement/shared/dbtx"
	"settlement/shared/lifecycle"
	"settlement/shared/notify"
	"settlement/shared/outbox"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/web"
)

// Needs is what a service brings along.
type Needs struct {
	Migrations    migrations.Set
	ProducerGroup string
	Topics        outbox.Topics // that the service sends to
}

// Foundation has what the parts of a service share.
type Foundation struct {
	Metrics *prometheus.Registry
	Pools   dbtx.Pools
	Broker  *rocketmq.Admin
	Relay   *outbox.Relay
	Teller  *notify.Teller

	ends []func() error
}

// ErrStopped says that ctx ended while Open waited for the database: nothing has failed.
var ErrStopped = errors.New("stopped while waiting for the database")

// Open lays the foundation. It waits for the database and applies its migrations; the broker may
// come later. When it returns an error, such as ErrStopped, nothing is left open.
func Open(ctx context.Context, cfg config.Config, needs Needs, log *slog.Logger) (*Foundation, error) {
	f := &Foundation{Metrics: prometheus.NewRegistry()}
	if err := f.open(ctx, cfg, needs, log); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Foundation) open(ctx context.Context, cfg config.Config, needs Needs, log *slog.Logger) error {
	var err error
	f.Pools, err = dbtx.OpenPools(cfg.Database(), f.Metrics, dbtx.Requests, dbtx.Consumers, dbtx.Relay,
		dbtx.Background, dbtx.Probes)
	if err != nil {
		return err
	}
	f.ends = append(f.ends, func() error { f.Pools.Close(); return nil })

	f.Metrics.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		outbox.Gauges(f.Pools.For(dbtx.Probes), needs.Topics), notify.Gauges(f.Pools.For(dbtx.Probes)),
		parking.Gauges(f.Pools.For(dbtx.Probes)))
	if err := migrations.AtStart(ctx, cfg.Database(), needs.Migrations, log); err != nil {
		if ctx.Err() != nil {
			return ErrStopped
		}
		return err
	}

	if f.Broker, err = rocketmq.NewAdmin(cfg.Namesrv); err != nil {
		return err
	}
	f.ends = append(f.ends, f.Broker.Close)
	producer, err := rocketmq.NewProducer(rocketmq.ProducerConfig{
		Namesrv: cfg.Namesrv, Group: needs.ProducerGroup, Logger: log,
	})
	if err != nil {
		return err
	}
	f.ends = append(f.ends, producer.Close)

	f.Relay = outbox.NewRelay(f.Pools.For(dbtx.Relay), producer.SendBatch, needs.Topics, log)
	f.background(ctx, f.Relay.Run)
	f.Teller = notify.NewTeller(f.Pools.For(dbtx.Background), log, cfg.Notifiers(log)...)
	f.background(ctx, f.Teller.Run)
	return nil
}

func (f *Foundation) background(ctx context.Context, run func(context.Context)) {
	stop := lifecycle.Background(ctx, run)
	f.ends = append(f.ends, func() error { stop(); return nil })
}

// DatabaseTakesWrites is the readiness check of the database.
func (f *Foundation) DatabaseTakesWrites(ctx context.Context) error {
	return f.Pools.For(dbtx.Probes).Writable(ctx, outbox.Table)
}

// BrokerHas is the readiness check of the broker: it answers, and has the topics.
func (f *Foundation) BrokerHas(topics ...string) web.Check {
	return func(ctx context.Context) error { return f.Broker.Ping(ctx, topics...) }
}

// Close ends in the opposite order of Open: the outbox is sent once more, then the connections are
// closed.
func (f *Foundation) Close() (err error) {
	for _, end := range slices.Backward(f.ends) {
		err = errors.Join(err, end())
	}
	return err
}
