package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/migrations"
	"settlement/order-service/internal/httpapi"
	"settlement/order-service/internal/listener"
	"settlement/order-service/internal/resend"
	"settlement/order-service/internal/store"
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

// run is the service from start to stop. Parts start in the order they are written here
// and stop in the opposite one: no new requests, no new messages, the outbox sent
// once more, connections closed. It needs the database to start; the broker may come later.
func run(ctx context.Context, cfg config.Config, log *slog.Logger) (err error) {
	topics := topicsOf(cfg)
	base, err := foundation.Open(ctx, cfg, foundation.Needs{
		Migrations: migrations.Order, ProducerGroup: settlement.GroupOrder, Topics: topics,
	}, log)
	if errors.Is(err, foundation.ErrStopped) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.Close()) }()

	pools, registry := base.Pools, base.Metrics
	asked := openOrders(topics, pools.For(dbtx.Requests), base.Teller, base.Relay.Wake)
	consumed := openOrders(topics, pools.For(dbtx.Consumers), base.Teller, base.Relay.Wake)
	behind := openOrders(topics, pools.For(dbtx.Background), base.Teller, base.Relay.Wake)
	policy := intake.NewPolicy(settlement.TopicOutcome, consumed.lot, registry, log)
	defer lifecycle.Background(ctx, intake.NewWaiting(behind.lot, behind.resolvers, log, policy).Run)()
	defer lifecycle.Background(ctx, resend.New(behind.store, registry, log).Run)()

	consuming, err := intake.Consume(ctx, rocketmq.ConsumerConfig{
		Namesrv: cfg.Namesrv, Group: settlement.GroupOrder, Topic: settlement.TopicOutcome,
		BatchMax: cfg.ConsumeBatchMax, Logger: log,
	}, listener.New(consumed.store, consumed.lot, policy, registry, log).Handle, cfg.ShutdownTimeout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consuming.Stop(ctx)) }()

	listening := web.Listening{
		Addr: cfg.HTTPAddr, ShutdownDelay: cfg.ShutdownDelay, ShutdownTimeout: cfg.ShutdownTimeout,
	}
	return web.Serve(ctx, listening, httpapi.New(asked.store, web.Config{
		Logger: log, Metrics: registry,
		Checks: map[string]web.Check{"database": base.DatabaseTakesWrites},
		// The outbox lets the service accept requests without the broker.
		Beside: map[string]web.Check{
			"broker":   base.BrokerHas(settlement.TopicSettlement, settlement.TopicOutcome, settlement.TopicPoints),
			"consumer": consuming.Started,
		},
	}), log)
}

// topicsOf returns the topics that order-service sends to, each with its queue count.
func topicsOf(cfg config.Config) outbox.Topics {
	return outbox.Topics{
		settlement.TopicSettlement: cfg.SettlementQueues, settlement.TopicPoints: cfg.PointsQueues,
	}
}

// orders is the orders database, through one pool.
type orders struct {
	store     *store.Store
	lot       *parking.Lot // of the outcomes that the store cannot apply now
	resolvers parking.Resolvers
	decisions *operator.Decisions
}

func openOrders(topics outbox.Topics, pool *dbtx.Pool, teller *notify.Teller, wake func()) orders {
	keeper := parking.NewKeeper(teller, time.Now)
	kept, lot := store.New(pool, keeper, topics, wake, time.Now), parking.NewLot(pool, keeper)
	resolvers := parking.Resolvers{settlement.TopicOutcome: kept.Outcomes()}
	return orders{kept, lot, resolvers, operator.New(pool, keeper, lot, resolvers)}
}

// openDesk opens what the operator's commands work with.
func openDesk(cfg config.Config) (command.Desk, error) {
	pool, err := dbtx.Open(cfg.Database(), prometheus.NewRegistry())
	if err != nil {
		return command.Desk{}, err
	}
	// The command has no relay to wake: the relay of a running service finds the changes of points.
	o := openOrders(topicsOf(cfg), pool, notify.NewTeller(pool, slog.New(slog.DiscardHandler)), func() {})
	return command.Desk{Lot: o.lot, Decisions: o.decisions, Close: pool.Close}, nil
}
