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
	"settlement/payment-service/internal/notify"
	"settlement/payment-service/internal/operator"
	"settlement/payment-service/internal/parking"
	"settlement/payment-service/internal/store"
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
func run(ctx context.Context, cfg settings, log *slog.Logger) (err error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	pool, err := dbtx.Open(cfg.Database(), registry)
	if err != nil {
		return err
	}
	defer pool.Close()
	topics := topicsOf(cfg)
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
	producer, err := rocketmq.NewProducer(rocketmq.ProducerConfig{Namesrv: cfg.Namesrv, Group: settlement.GroupPayment, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.Close()) }()

	relay := outbox.NewRelay(pool, producer.SendBatch, topics, log)
	defer lifecycle.Background(ctx, relay.Run)()
	writer := journal.NewWriter(pool, topics, relay.Wake, time.Now, log)
	defer lifecycle.Background(ctx, writer.Run)()
	books := store.New(pool, topics, func() { relay.Wake(); writer.Wake() }, time.Now)
	registry.MustRegister(notify.Collector{Pool: pool}, journal.Collector{Pool: pool})
	teller := notify.NewTeller(pool, log, cfg.notifiers(log)...)
	defer lifecycle.Background(ctx, teller.Run)()
	lot := parking.NewLot(pool, books.Operator(), teller, time.Now)

	settling, err := startConsumer(ctx, cfg, log, settlement.TopicSettlement, settlement.GroupPayment,
		listener.New(books, lot, listener.NewMetrics(registry), log).Handle)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, settling.stop()) }()
	counting, err := startConsumer(ctx, cfg, log, settlement.TopicPoints, settlement.GroupPoints,
		listener.NewPoints(books, lot, registry, log).Handle)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, counting.stop()) }()

	reader := backlog.NewReader(admin,
		backlog.Subscription{Topic: settlement.TopicSettlement, Group: settlement.GroupPayment},
		backlog.Subscription{Topic: settlement.TopicOutcome, Group: settlement.GroupOrder},
		backlog.Subscription{Topic: settlement.TopicPoints, Group: settlement.GroupPoints})

	return web.Serve(ctx, cfg.HTTPAddr, cfg.ShutdownTimeout, httpapi.New(books, lot, reader, web.Config{
		Logger: log, Metrics: registry,
		Checks: map[string]web.Check{
			"database": pool.Ping,
			"broker": func(ctx context.Context) error {
				return admin.Ping(ctx, settlement.TopicSettlement, settlement.TopicOutcome, settlement.TopicPoints, settlement.TopicJournal)
			},
			"consumer":        settling.started,
			"points_consumer": counting.started,
		},
	}), log)
}

// topicsOf is what payment-service sends to.
func topicsOf(cfg settings) outbox.Topics {
	return outbox.Topics{settlement.TopicOutcome: cfg.OutcomeQueues, settlement.TopicJournal: settlement.JournalQueues}
}

// consumption is a consumer that is started as soon as the broker lets it.
type consumption struct {
	started web.Check
	stop    func() error // bounded by SHUTDOWN_TIMEOUT and 10 s more
}

func startConsumer(ctx context.Context, cfg settings, log *slog.Logger, topic, group string, handle rocketmq.Handler) (consumption, error) {
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

func migrate(ctx context.Context, pool *dbtx.Pool, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	db, err := pool.SQL()
	if err != nil {
		return err
	}
	var wrong error // what waiting does not cure, like a wrong password
	err = lifecycle.Until(ctx, log, "database", func(ctx context.Context) error {
		err := migrations.Up(ctx, db, migrations.Payment, log)
		if err != nil && !dbtx.IsTransient(err) {
			wrong = err
			return nil
		}
		return err
	})
	return errors.Join(err, wrong)
}

// openDesk is what the operator's commands work with.
func openDesk(cfg settings) (operator.Desk, error) {
	quiet := slog.New(slog.DiscardHandler)
	pool, err := dbtx.Open(cfg.Database(), prometheus.NewRegistry())
	if err != nil {
		return operator.Desk{}, err
	}
	books := store.New(pool, topicsOf(cfg), func() {}, time.Now) // the relay of a service that runs finds the outcomes
	lot := parking.NewLot(pool, books.Operator(), notify.NewTeller(pool, quiet), time.Now)
	return operator.Desk{Lot: lot, Close: pool.Close}, nil
}

// openAuditor is what the command audit works with.
func openAuditor(ctx context.Context, cfg settings) (a *audit.Auditor, closeAll func() error, err error) {
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
	auditor := audit.New(audit.NewTape(pool, time.Now), store.New(pool, nil, func() {}, time.Now), reader) // it only reads
	return auditor, func() error { defer pool.Close(); return reader.Close() }, nil
}
