package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"settlement/migrations"
	"settlement/payment-service/internal/audit"
	"settlement/payment-service/internal/backlog"
	"settlement/payment-service/internal/httpapi"
	"settlement/payment-service/internal/journal"
	"settlement/payment-service/internal/listener"
	"settlement/payment-service/internal/store"
	"settlement/shared/config"
	"settlement/shared/dbtx"
	"settlement/shared/intake"
	"settlement/shared/lifecycle"
	"settlement/shared/notify"
	"settlement/shared/operator"
	"settlement/shared/outbox"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
	"settlement/shared/web"
)

// run runs the service from start to stop. Its parts start in the order in which they are written
// here, and stop in the opposite order: no new requests, no new messages, the outbox sent once
// more, the connections closed. It needs the database to start; the broker may come later.
func run(ctx context.Context, cfg config.Config, log *slog.Logger) (err error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	pools, err := dbtx.OpenPools(cfg.Database(), registry, dbtx.Requests, dbtx.Consumers, dbtx.Relay, dbtx.Background, dbtx.Probes)
	if err != nil {
		return err
	}
	defer pools.Close()

	topics := topicsOf(cfg)
	registry.MustRegister(outbox.Collector{Pool: pools.For(dbtx.Probes), Topics: topics})
	if err := migrations.AtStart(ctx, cfg.Database(), migrations.Payment, log); err != nil {
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

	producer, err := rocketmq.NewProducer(rocketmq.ProducerConfig{Namesrv: cfg.Namesrv, Group: settlement.GroupPayment, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.Close()) }()

	relay := outbox.NewRelay(pools.For(dbtx.Relay), producer.SendBatch, topics, log)
	defer lifecycle.Background(ctx, relay.Run)()
	writer := journal.NewWriter(pools.For(dbtx.Background), topics, relay.Wake, time.Now, log)
	defer lifecycle.Background(ctx, writer.Run)()
	wake := func() { relay.Wake(); writer.Wake() }

	registry.MustRegister(notify.Collector{Pool: pools.For(dbtx.Probes)}, journal.Collector{Pool: pools.For(dbtx.Probes)},
		parking.Collector{Pool: pools.For(dbtx.Probes)})
	teller := notify.NewTeller(pools.For(dbtx.Background), log, cfg.Notifiers(log)...)
	defer lifecycle.Background(ctx, teller.Run)()

	asked, askedLot := openBooks(topics, pools.For(dbtx.Requests), teller, wake)
	books, lot := openBooks(topics, pools.For(dbtx.Consumers), teller, wake)
	_, waitingLot := openBooks(topics, pools.For(dbtx.Background), teller, wake)
	instructions := intake.NewPolicy(settlement.TopicSettlement, lot, registry, log)
	changes := intake.NewPolicy(settlement.TopicPoints, lot, registry, log)
	defer lifecycle.Background(ctx, intake.NewWaiting(waitingLot, log, instructions, changes).Run)()

	settling, err := startConsumer(ctx, cfg, log, settlement.TopicSettlement, settlement.GroupPayment,
		listener.NewInstructions(books, lot, instructions, registry, log).Handle)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, settling.stop()) }()

	counting, err := startConsumer(ctx, cfg, log, settlement.TopicPoints, settlement.GroupPoints,
		listener.NewPoints(books, lot, changes, registry, log).Handle)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, counting.stop()) }()

	reader := backlog.NewReader(admin,
		backlog.Subscription{Topic: settlement.TopicSettlement, Group: settlement.GroupPayment},
		backlog.Subscription{Topic: settlement.TopicOutcome, Group: settlement.GroupOrder},
		backlog.Subscription{Topic: settlement.TopicPoints, Group: settlement.GroupPoints})

	listening := web.Listening{Addr: cfg.HTTPAddr, ShutdownDelay: cfg.ShutdownDelay, ShutdownTimeout: cfg.ShutdownTimeout}
	return web.Serve(ctx, listening, httpapi.New(asked, askedLot, reader, web.Config{
		Logger: log, Metrics: registry,
		Checks: map[string]web.Check{
			"database": func(ctx context.Context) error { return pools.For(dbtx.Probes).Writable(ctx, outbox.Table) },
			"broker": func(ctx context.Context) error {
				return admin.Ping(ctx, settlement.TopicSettlement, settlement.TopicOutcome, settlement.TopicPoints, settlement.TopicJournal)
			},
			"consumer":        settling.started,
			"points_consumer": counting.started,
		},
	}), log)
}

// topicsOf returns the topics that payment-service sends to, each with its number of queues.
func topicsOf(cfg config.Config) outbox.Topics {
	return outbox.Topics{settlement.TopicOutcome: cfg.OutcomeQueues, settlement.TopicJournal: settlement.JournalQueues}
}

// consumption is a consumer that is started as soon as the broker lets it.
type consumption struct {
	started web.Check
	stop    func() error // bounded by SHUTDOWN_TIMEOUT and 10 s more
}

func startConsumer(ctx context.Context, cfg config.Config, log *slog.Logger, topic, group string, handle rocketmq.Handler) (consumption, error) {
	consumer, err := rocketmq.NewOrderlyConsumer(rocketmq.ConsumerConfig{
		Namesrv: cfg.Namesrv, Group: group, Topic: topic, BatchMax: cfg.ConsumeBatchMax, Logger: log,
	}, handle)
	if err != nil {
		return consumption{}, err
	}

	starting := lifecycle.StartLater(ctx, log, "consumer of "+topic, consumer.Start)
	return consumption{started: starting.Started, stop: func() error {
		starting.GiveUp()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.ShutdownTimeout)
		defer cancel()
		return consumer.Stop(stopping)
	}}, nil
}

// openDesk opens what the operator's commands work with.
func openDesk(cfg config.Config) (operator.Desk, error) {
	quiet := slog.New(slog.DiscardHandler)
	pool, err := dbtx.Open(cfg.Database(), prometheus.NewRegistry())
	if err != nil {
		return operator.Desk{}, err
	}
	// The command has no relay to wake: the relay of a running service finds the outcomes.
	_, lot := openBooks(topicsOf(cfg), pool, notify.NewTeller(pool, quiet), func() {})
	return operator.Desk{Lot: lot, Close: pool.Close}, nil
}

// openBooks makes the store of the books, and the lot of the messages that the store cannot take
// now.
func openBooks(topics outbox.Topics, pool *dbtx.Pool, teller *notify.Teller, wake func()) (*store.Store, *parking.Lot) {
	keeper := parking.NewKeeper(teller, time.Now)
	books := store.New(pool, keeper, topics, wake, time.Now)
	return books, parking.NewLot(pool, keeper, map[string]parking.Resolver{
		settlement.TopicSettlement: books.Instructions(), settlement.TopicPoints: books.PointsChanges(),
	})
}

// openAuditor opens what the audit command works with, and returns a function that closes it.
func openAuditor(ctx context.Context, cfg config.Config) (a *audit.Auditor, closeAll func() error, err error) {
	pool, err := dbtx.Open(cfg.Database(), prometheus.NewRegistry())
	if err != nil {
		return nil, nil, err
	}

	reader, err := rocketmq.OpenQueueReader(ctx, rocketmq.QueueReaderConfig{
		Namesrv: cfg.Namesrv, Group: settlement.GroupAudit, Topic: settlement.TopicJournal, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		pool.Close()
		return nil, nil, err
	}

	books, _ := openBooks(topicsOf(cfg), pool, notify.NewTeller(pool, slog.New(slog.DiscardHandler)), func() {})
	auditor := audit.New(audit.NewTape(pool, time.Now), books, reader)
	return auditor, func() error { defer pool.Close(); return reader.Close() }, nil
}
