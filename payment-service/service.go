package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/migrations"
	"settlement/payment-service/internal/audit"
	"settlement/payment-service/internal/backlog"
	"settlement/payment-service/internal/httpapi"
	"settlement/payment-service/internal/journal"
	"settlement/payment-service/internal/listener"
	"settlement/payment-service/internal/store"
	"settlement/shared/config"
	"settlement/shared/dbtx"
	"settlement/shared/foundation"
	"settlement/shared/intake"
	"settlement/shared/lifecycle"
	"settlement/shared/notify"
	"settlement/shared/operator"
	"settlement/shared/operator/command"
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
	topics := topicsOf(cfg)
	base, err := foundation.Open(ctx, cfg, foundation.Needs{
		Migrations: migrations.Payment, ProducerGroup: settlement.GroupPayment, Topics: topics,
	}, log)
	if errors.Is(err, foundation.ErrStopped) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.Close()) }()

	pools, registry := base.Pools, base.Metrics
	writer := journal.NewWriter(pools.For(dbtx.Background), topics, base.Relay.Wake, time.Now, log)
	defer lifecycle.Background(ctx, writer.Run)()
	registry.MustRegister(journal.Gauges(pools.For(dbtx.Probes)))
	wake := func() { base.Relay.Wake(); writer.Wake() }

	asked := openBooks(topics, pools.For(dbtx.Requests), base.Teller, wake)
	consumed := openBooks(topics, pools.For(dbtx.Consumers), base.Teller, wake)
	waited := openBooks(topics, pools.For(dbtx.Background), base.Teller, wake)
	instructions := intake.NewPolicy(settlement.TopicSettlement, consumed.lot, registry, log)
	changes := intake.NewPolicy(settlement.TopicPoints, consumed.lot, registry, log)
	defer lifecycle.Background(ctx,
		intake.NewWaiting(waited.lot, waited.resolvers, log, instructions, changes).Run)()

	consume := func(topic, group string, handle rocketmq.Handler) (*intake.Consumption, error) {
		return intake.Consume(ctx, rocketmq.ConsumerConfig{
			Namesrv: cfg.Namesrv, Group: group, Topic: topic, BatchMax: cfg.ConsumeBatchMax, Logger: log,
		}, handle, cfg.ShutdownTimeout)
	}
	settling, err := consume(settlement.TopicSettlement, settlement.GroupPayment,
		listener.NewInstructions(consumed.store, consumed.lot, instructions, registry, log).Handle)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, settling.Stop(ctx)) }()

	counting, err := consume(settlement.TopicPoints, settlement.GroupPoints,
		listener.NewPoints(consumed.store, consumed.lot, changes, registry, log).Handle)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, counting.Stop(ctx)) }()

	reader := backlog.NewReader(base.Broker,
		backlog.Subscription{Topic: settlement.TopicSettlement, Group: settlement.GroupPayment},
		backlog.Subscription{Topic: settlement.TopicOutcome, Group: settlement.GroupOrder},
		backlog.Subscription{Topic: settlement.TopicPoints, Group: settlement.GroupPoints})

	listening := web.Listening{
		Addr: cfg.HTTPAddr, ShutdownDelay: cfg.ShutdownDelay, ShutdownTimeout: cfg.ShutdownTimeout,
	}
	return web.Serve(ctx, listening, httpapi.New(asked.store, asked.lot, asked.decisions, reader, web.Config{
		Logger: log, Metrics: registry,
		Checks: map[string]web.Check{
			"database": base.DatabaseTakesWrites,
			"broker": base.BrokerHas(settlement.TopicSettlement, settlement.TopicOutcome,
				settlement.TopicPoints, settlement.TopicJournal),
			"consumer":        settling.Started,
			"points_consumer": counting.Started,
		},
	}), log)
}

// topicsOf returns the topics that payment-service sends to, each with its number of queues.
func topicsOf(cfg config.Config) outbox.Topics {
	return outbox.Topics{
		settlement.TopicOutcome: cfg.OutcomeQueues, settlement.TopicJournal: settlement.JournalQueues,
	}
}

// openDesk opens what the operator's commands work with.
func openDesk(cfg config.Config) (command.Desk, error) {
	quiet := slog.New(slog.DiscardHandler)
	pool, err := dbtx.Open(cfg.Database(), prometheus.NewRegistry())
	if err != nil {
		return command.Desk{}, err
	}
	// The command has no relay to wake: the relay of a running service finds the outcomes.
	b := openBooks(topicsOf(cfg), pool, notify.NewTeller(pool, quiet), func() {})
	return command.Desk{Lot: b.lot, Decisions: b.decisions, Close: pool.Close}, nil
}

// books is the payments database, through one pool.
type books struct {
	store     *store.Store
	lot       *parking.Lot // of the messages that the store cannot take now
	resolvers parking.Resolvers
	decisions *operator.Decisions
}

func openBooks(topics outbox.Topics, pool *dbtx.Pool, teller *notify.Teller, wake func()) books {
	keeper := parking.NewKeeper(teller, time.Now)
	kept, lot := store.New(pool, keeper, topics, wake, time.Now), parking.NewLot(pool, keeper)
	resolvers := parking.Resolvers{
		settlement.TopicSettlement: kept.Instructions(), settlement.TopicPoints: kept.PointsChanges(),
	}
	return books{kept, lot, resolvers, operator.New(pool, keeper, lot, resolvers)}
}

// openAuditor opens what the audit command works with, and returns a function that closes it.
func openAuditor(
	ctx context.Context, cfg config.Config,
) (a *audit.Auditor, closeAll func() error, err error) {
	pool, err := dbtx.Open(cfg.Database(), prometheus.NewRegistry())
	if err != nil {
		return nil, nil, err
	}

	reader, err := rocketmq.OpenQueueReader(ctx, rocketmq.QueueReaderConfig{
		Namesrv: cfg.Namesrv, Group: settlement.GroupAudit, Topic: settlement.TopicJournal,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		pool.Close()
		return nil, nil, err
	}

	b := openBooks(topicsOf(cfg), pool, notify.NewTeller(pool, slog.New(slog.DiscardHandler)), func() {})
	auditor := audit.New(pool, audit.NewTape(pool, time.Now), b.store, reader)
	return auditor, func() error { defer pool.Close(); return reader.Close() }, nil
}
