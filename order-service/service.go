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

// migrateTimeout is how long the database may take to come up before the service gives up.
const migrateTimeout = 2 * time.Minute

// run is the service from start to stop. Parts start in the order they are written here
// and stop in the opposite one: no new requests, no new messages, the outbox sent
// once more, connections closed. It needs the database to start; the broker may come later.
func run(ctx context.Context, cfg config.Config, log *slog.Logger) (err error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	pool, err := dbtx.Open(cfg.Database(), registry)
	if err != nil {
		return err
	}
	defer pool.Close()
	topics := outbox.Topics{settlement.TopicSettlement: cfg.SettlementQueues, settlement.TopicPoints: cfg.PointsQueues}
	registry.MustRegister(outbox.Collector{Pool: pool, Topics: topics})
	if err := migrate(ctx, pool, log); err != nil {
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

	relay := outbox.NewRelay(pool, producer.SendBatch, topics, log)
	defer lifecycle.Background(ctx, relay.Run)()
	orders := store.New(pool, topics, relay.Wake, time.Now)

	consumer, err := rocketmq.NewOrderlyConsumer(rocketmq.ConsumerConfig{
		Namesrv: cfg.Namesrv, Group: settlement.GroupOrder, Topic: settlement.TopicOutcome, BatchMax: cfg.ConsumeBatchMax, Logger: log,
	}, listener.New(orders, registry, log).Handle)
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

	return web.Serve(ctx, cfg.HTTPAddr, cfg.ShutdownTimeout, httpapi.New(orders, web.Config{
		Logger: log, Metrics: registry,
		Checks: map[string]web.Check{
			"database": pool.Ping,
			"broker": func(ctx context.Context) error {
				return admin.Ping(ctx, settlement.TopicSettlement, settlement.TopicOutcome, settlement.TopicPoints)
			},
			"consumer": starting.Started,
		},
	}), log)
}

func migrate(ctx context.Context, pool *dbtx.Pool, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	db, err := pool.SQL()
	if err != nil {
		return err
	}
	var wrong error // what waiting does not cure, like a wrong password
	err = lifecycle.Until(ctx, log, "database", func(ctx context.Context) error {
		err := migrations.Up(ctx, db, migrations.Order, log)
		if err != nil && !dbtx.IsTransient(err) {
			wrong = err
			return nil
		}
		return err
	})
	return errors.Join(err, wrong)
}
