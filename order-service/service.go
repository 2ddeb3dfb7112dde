package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"settlement/migrations"
	"settlement/order-service/internal/httpapi"
	"settlement/order-service/internal/listener"
	"settlement/order-service/internal/store"
	"settlement/shared/config"
	"settlement/shared/dbtx"
	"settlement/shared/lifecycle"
	"settlement/shared/outbox"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
	"settlement/shared/web"
)

// run is the service from start to stop. Parts start in the order they are written here
// and stop in the opposite one: no new requests, no new messages, the outbox sent
// once more, connections closed. It needs the database to start; the broker may come later.
func run(ctx context.Context, cfg config.Config, log *slog.Logger) (err error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	pools, err := dbtx.OpenPools(cfg.Database(), registry, dbtx.Requests, dbtx.Consumers, dbtx.Relay, dbtx.Probes)
	if err != nil {
		return err
	}
	defer pools.Close()
	registry.MustRegister(outbox.Collector{Pool: pools[dbtx.Probes]})
	if err := migrations.AtStart(ctx, cfg.Database(), migrations.Order, log); err != nil {
		if ctx.Err() != nil {
			return nil // stopped while it waited
		}
		return err
	}

	admin, err := rocketmq.NewAdmin(cfg.Namesrv)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	producer, err := rocketmq.NewProducer(rocketmq.ProducerConfig{Namesrv: cfg.Namesrv, Group: settlement.GroupOrder, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.Close()) }()

	relay := outbox.NewRelay(pools[dbtx.Relay], producer.SendBatch, map[string]int{
		settlement.TopicSettlement: cfg.SettlementQueues, settlement.TopicPoints: cfg.PointsQueues,
	}, log)
	defer lifecycle.Background(ctx, relay.Run)()
	asked := store.New(pools[dbtx.Requests], relay.Wake, time.Now)
	answered := store.New(pools[dbtx.Consumers], relay.Wake, time.Now)

	consumer, err := rocketmq.NewOrderlyConsumer(rocketmq.ConsumerConfig{
		Namesrv: cfg.Namesrv, Group: settlement.GroupOrder, Topic: settlement.TopicOutcome, BatchMax: cfg.ConsumeBatchMax, Logger: log,
	}, listener.New(answered, registry, log).Handle)
	if err != nil {
		return err
	}
	starting := lifecycle.StartLater(ctx, log, "consumer", consumer.Start)
	defer func() {
		starting.GiveUp()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.ShutdownTimeout)
		defer cancel()
		err = errors.Join(err, consumer.Stop(stopping))
	}()

	return web.Serve(ctx, cfg.HTTPAddr, cfg.ShutdownTimeout, httpapi.New(asked, web.Config{
		Logger: log, Metrics: registry,
		Checks: map[string]web.Check{
			"database": func(ctx context.Context) error { return pools[dbtx.Probes].Writable(ctx, outbox.Table) },
		},
		// Accepting without the broker is what the outbox is for.
		Beside: map[string]web.Check{
			"broker": func(ctx context.Context) error {
				return admin.Ping(ctx, settlement.TopicSettlement, settlement.TopicOutcome, settlement.TopicPoints)
			},
			"consumer": starting.Started,
		},
	}), log)
}
