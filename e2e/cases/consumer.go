package cases

import (
	"context"
	"errors"
	"fmt"
	"time"

	"settlement/e2e/faults"
	"settlement/e2e/stack/service"
	"settlement/shared/settlement"
)

var consumerCases = []Case{
	{
		Name: "payment-service-killed-in-transaction", From: fromConsumer,
		Title: Text{
			EN: "payment-service dies inside the settle transaction.",
			ZH: "payment-service 在结算事务中崩溃。",
		},
		Then: Text{
			EN: "rolled back; the messages come again",
			ZH: "事务回滚；消息重投",
		},
		run: killedAtSQL(settlements, faults.AtStatement),
	},
	{
		Name: "payment-service-killed-after-commit", From: fromConsumer,
		Title: Text{
			EN: "payment-service dies after the settle transaction is committed and before it tells the broker.",
			ZH: "payment-service 在结算事务提交之后、告知 broker 之前崩溃。",
		},
		Then: Text{
			EN: "the messages come again; the payment numbers are there",
			ZH: "消息重投；支付单号已在库里",
		},
		Tests: []string{
			"payment-service/internal/store/settle_batch_test.go:TestTheSameBatchTwice",
		},
		run: killedAtSQL(settlements, faults.AfterCommit),
	},
	{
		Name: "payment-service-killed-in-flight", From: fromConsumer,
		Title: Text{
			EN: "payment-service dies while batches are on their way to it.",
			ZH: "批次还在发往 payment-service 的路上，它就崩溃。",
		},
		Then: Text{
			EN: "another fetch brings them",
			ZH: "再次拉取时还会拿到",
		},
		run: showing(1, againTo(settlements.group), fetchedAgain(settlements.group),
			killedAt(paymentSide, func(p *Play, then func()) {
				p.Payment.MQ.Add(&faults.FrameRule{
					Codes: []int{faults.PullMessage}, Topic: settlements.topic, Full: true,
					Skip:  p.draw.IntN(20),
					Limit: 1,
					Do:    faults.PassAnswer, Then: then,
				})
			})),
	},
	{
		Name: "offset-commits-lost", From: fromConsumer,
		Title: Text{
			EN: "What payment-service tells the broker it has done is lost, and it dies: all of it comes again.",
			ZH: "payment-service 提交给 broker 的位点丢了，随后它崩溃：全部重来。",
		},
		Then: Text{
			EN: "all of it comes again",
			ZH: "全部重来一遍",
		},
		run: offsetCommitsLost(settlements),
	},
	{
		Name: "consumers-come-and-go", From: fromConsumer,
		Title: Text{
			EN: "Instances of payment-service are added and removed every 15 s.",
			ZH: "payment-service 的实例每 15 s 增减一次。",
		},
		Then: Text{
			EN: "queues are handed over after their batch; nothing is lost",
			ZH: "队列在批次结束后移交；什么都不丢",
		},
		run: comeAndGo,
	},
	{
		Name: "late-writer", From: fromConsumer,
		Title: Text{
			EN: "payment-service is frozen and cut off for 70 s while it holds a batch; another takes over; then it wakes and writes.",
			ZH: "payment-service 攥着一个批次被冻住并断网 70 s；另一个接手；前一个醒来又写。",
		},
		Then: Text{
			EN: "the server has ended its old transaction; the batch comes again, and its payment numbers are found. Under other numbers it would stop at the fence",
			ZH: "它的旧事务已被服务器结束；这一批重来，查到支付单号。换了单号也会被围栏挡下",
		},
		Tests: []string{
			"payment-service/internal/store/settle_batch_test.go:TestALateWriterStopsAtTheFence",
		},
		run: lateWriter,
	},
	{
		Name: "fails-every-time", From: fromConsumer,
		Title: Text{
			EN: "Ten instructions fail every time for a reason nobody foresaw: parked after three tries, then replayed or discarded.",
			ZH: "十条指令因没人料到的原因每次都失败：试三次后搁置，然后重放或丢弃。",
		},
		Then: Text{
			EN: "tried three times in all, counted in the database, then parked with its successors waiting behind it; an operator replays it, or discards it: a settle's order ends as `failed`, a refund's stays `paid`",
			ZH: "总共试三次，次数记在数据库里，然后搁置，后续指令排在它后面等；由人工重放，或者丢弃：结算的订单以 `failed` 结束，退款的订单仍是 `paid`",
		},
		Tests: []string{
			"payment-service/internal/listener/failing_test.go:TestAnUnexplainedErrorIsTriedThreeTimesInAll",
		},
		run: failsEveryTime,
	},
	{
		Name: "parked-with-successors", From: fromConsumer,
		Title: Text{
			EN: "The first of three instructions of an order fails every time: the others wait behind it, and follow it once it is replayed or discarded.",
			ZH: "一个订单三条指令中的第一条每次都失败：其余在它后面等，它被重放或丢弃后跟上。",
		},
		Then: Text{
			EN: "the others wait behind it, and follow it in sequence once it is replayed or discarded; everybody else's go on",
			ZH: "后面的排在它后面等，它被重放或丢弃之后按序跟上；别人的照常",
		},
		Tests: []string{
			"e2e/parking_test.go:TestOneBadMessageInTheMiddleOfAThousandOrders",
		},
		run: parkedWithSuccessors,
	},
	{
		Name: "killed-between-tries", From: fromConsumer,
		Title: Text{
			EN: "payment-service dies between two tries of an instruction that fails every time: parked after three in all.",
			ZH: "一条每次都失败的指令，在两次尝试之间 payment-service 崩溃：总共三次之后搁置。",
		},
		Then: Text{
			EN: "the count goes on in the database; it is parked once, and told once",
			ZH: "次数在数据库里接着数；只搁置一次，只通知一次",
		},
		run: killedWhileParking(triesTx, 2),
	},
	{
		Name: "killed-after-parking", From: fromConsumer,
		Title: Text{
			EN: "payment-service dies after it parked an instruction and before it tells the broker.",
			ZH: "payment-service 搁置一条指令之后、告知 broker 之前崩溃。",
		},
		Then: Text{
			EN: "the count goes on in the database; it is parked once, and told once",
			ZH: "次数在数据库里接着数；只搁置一次，只通知一次",
		},
		run: killedWhileParking(parkTx, 1),
	},
	{
		Name: "notices-refused", From: fromConsumer,
		Title: Text{
			EN: "Nobody takes the notices about parked messages for a while, and payment-service dies: told once somebody does.",
			ZH: "一段时间里没人接收搁置通知，期间 payment-service 崩溃：有人接收了才算通知到。",
		},
		Then: Text{
			EN: "they are told again, with growing pauses up to a minute, until each was taken; no queue waits for it; those of one cause are told as one",
			ZH: "反复通知，间隔递增到一分钟，直到每条都被接收；没有队列为此等待；同一原因的合并成一条",
		},
		Tests: []string{
			"shared/notify/teller_test.go:TestAReceiverThatWasDownIsToldOnceItIsBack",
		},
		run: noticesRefused,
	},
	{
		Name: "auditor-killed", From: fromConsumer,
		Title: Text{
			EN: "The auditor, which pulls the journal and keeps its offset itself, dies inside its transaction and behind its commit.",
			ZH: "拉取审计流水、自己管理位点的审计者，在事务中、在提交之后崩溃。",
		},
		Then: Text{
			EN: "its offset is in that transaction: it goes on exactly behind what it has kept",
			ZH: "位点就在那个事务里：恰好从已保存之处的下一条继续",
		},
		Tests: []string{
			"payment-service/internal/audit/tape_test.go:TestTheOffsetMovesWithTheRecords",
		},
		run: auditorKilled,
	},
	{
		Name: "clock-off", From: fromConsumer,
		Title: Text{
			EN: "The clock of payment-service is 10 minutes ahead.",
			ZH: "payment-service 的时钟快了 10 分钟。",
		},
		Then: Text{
			EN: "nothing depends on it but the recorded times",
			ZH: "除了记录下来的时间，什么都不依赖它",
		},
		run: clockOff,
		bin: buildClockOff,
	},
	{
		Name: "order-service-killed-in-transaction", From: fromConsumer,
		Title: Text{
			EN: "order-service dies while it applies outcomes.",
			ZH: "order-service 在应用结果时崩溃。",
		},
		Then: Text{
			EN: "rolled back; the messages come again",
			ZH: "事务回滚；消息重投",
		},
		run: killedAtSQL(outcomes, faults.AtStatement),
	},
	{
		Name: "order-service-killed-after-apply", From: fromConsumer,
		Title: Text{
			EN: "order-service dies after it committed outcomes and before it tells the broker.",
			ZH: "order-service 在提交结果之后、告知 broker 之前崩溃。",
		},
		Then: Text{
			EN: "the messages come again; the payment numbers are there",
			ZH: "消息重投；支付单号已在库里",
		},
		run: killedAtSQL(outcomes, faults.AfterCommit),
	},
	{
		Name: "outcome-offset-commits-lost", From: fromConsumer,
		Title: Text{
			EN: "What order-service tells the broker it has done is lost, and it dies.",
			ZH: "order-service 提交给 broker 的位点丢了，随后它崩溃。",
		},
		Then: Text{
			EN: "all of it comes again",
			ZH: "全部重来一遍",
		},
		run: offsetCommitsLost(outcomes),
	},
	{
		Name: "killed-while-suspended", From: fromConsumer,
		Title: Text{
			EN: "payment-service cannot reach its database for 12 s, and dies with the batches that it has suspended.",
			ZH: "payment-service 连不上数据库 12 s，攥着已挂起的批次崩溃。",
		},
		Then: Text{
			EN: "nothing of them was acknowledged: all of it comes again",
			ZH: "这些批次一条都没有 ACK：全部重来一遍",
		},
		run: endedWhileSuspended(func(p *Play, _ context.Context, s *Side) error { return p.kill(s) }),
	},
	{
		Name: "stopped-while-suspended", From: fromConsumer,
		Title: Text{
			EN: "payment-service cannot reach its database for 12 s, and is stopped in peace with the batches that it has suspended.",
			ZH: "payment-service 连不上数据库 12 s，攥着已挂起的批次被正常停止。",
		},
		Then: Text{
			EN: "nothing of them was acknowledged: all of it comes again",
			ZH: "这些批次一条都没有 ACK：全部重来一遍",
		},
		run: endedWhileSuspended(func(p *Play, ctx context.Context, s *Side) error {
			return p.power.Do(func() error { return p.stop(ctx, s) })
		}),
	},
}

func offsetCommitsLost(l line) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		side := l.consumer(p)
		lost := &faults.FrameRule{Codes: []int{faults.CommitOffset}, Group: l.group, Do: faults.DropRequest}
		side.MQ.Add(lost)
		// T9: every pull commits an offset too, beside what it asks for.
		side.MQ.Add(&faults.FrameRule{
			Codes: []int{faults.PullMessage}, Group: l.group, Do: faults.StripCommit,
		})

		given := side.MQ.Fetched()[l.group].Messages
		if err := p.accepts(ctx, 60); err != nil {
			return 0, err
		}
		if _, err := p.fires(ctx, lost, 1); err != nil {
			return 0, err
		}
		given = side.MQ.Fetched()[l.group].Messages - given

		if err := p.kill(side); err != nil {
			return 0, err
		}
		fired := lost.Fired()
		side.MQ.Clear()

		again, err := p.expects(ctx, given, againTo(l.group), fetchedAgain(l.group)(p))
		if err != nil {
			return fired, err
		}
		if err := p.restart(ctx, side); err != nil {
			return fired, err
		}
		_, err = p.came(ctx, again)
		return fired, err
	}
}

// fired is a count that a case waits for.
type fired func() int64

func (f fired) Fired() int64 { return f() }

func comeAndGo(ctx context.Context, p *Play) (int64, error) {
	const times, stays = 2, 15 * time.Second
	for range times {
		var further *Side
		join := func() (err error) {
			further, err = p.another(ctx, service.Payment, nil)
			return err
		}
		if err := p.power.Do(join); err != nil {
			return 0, err
		}
		if err := p.lasts(ctx, stays); err != nil {
			return 0, err
		}

		given := int64(0)
		if further != nil {
			// The added instance gets queues at the next rebalance, up to 20 s away, when their
			// owner has handed them over.
			got := func() int64 { return further.MQ.Fetched()[settlement.GroupPayment].Messages }
			_, err := p.fires(ctx, fired(got), 1)
			given = got()
			if err != nil && ctx.Err() != nil {
				return 0, err
			}
			if err := p.leave(ctx, further); err != nil {
				return 0, err
			}
		}
		if err := p.had(given, 1, "messages given to the added instance"); err != nil {
			return 0, err
		}
		if err := p.lasts(ctx, stays); err != nil {
			return 0, err
		}
	}

	return 2 * times, nil
}

// lateWriter freezes payment-service after it has read that its batch is new and before it writes:
// the proxy holds its first INSERT until the process is awake again. By then the other instance has
// settled the batch, and the database server has ended the frozen instance's transaction: the
// INSERT is refused.
func lateWriter(ctx context.Context, p *Play) (fired int64, err error) {
	second, err := p.another(ctx, service.Payment, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.leave(ctx, second)) }()

	again, err := p.expects(ctx, 1, "messages of the first instance given to the second",
		func(context.Context) (int64, error) {
			return second.MQ.Fetched()[settlement.GroupPayment].Again, nil
		})
	if err != nil {
		return 0, err
	}

	asleep := newMoment(func() error { return p.pause(p.Payment) })
	late := &faults.SQLRule{
		Touching: settleTx, At: faults.AtStatement, Skip: p.draw.IntN(5), Limit: 1, Do: faults.Hold,
		For: sleeps, Then: asleep.then,
	}
	p.Payment.DB.Add(late)
	if err := asleep.wait(ctx); err != nil {
		return 0, fmt.Errorf("freeze payment-service: %w", err)
	}

	// A frozen process keeps its connections, and the broker keeps its queues for it for two
	// minutes. Once it is cut off, the broker drops it at once.
	p.Payment.MQ.Refuse()
	err = p.lasts(ctx, sleeps)
	p.Payment.MQ.Allow()
	if err != nil {
		return 0, err
	}

	// The frozen instance had half of the queues, and the batch. The other one has to have taken
	// them over.
	const waiting = "SELECT COUNT(*) FROM orders WHERE status IN ('settling', 'cancelling', 'refunding') AND" +
		" updated_at < UTC_TIMESTAMP() - INTERVAL 15 SECOND"
	if n, err := count(ctx, p.orders, waiting); err != nil || n > 0 {
		return 0, errors.Join(err,
			fmt.Errorf("the other instance has not taken over: %d instructions wait for more than 15 s", n))
	}
	if _, err := p.came(ctx, again); err != nil {
		return 0, err
	}

	if err := p.wake(p.Payment); err != nil {
		return 0, err
	}
	refused := func(context.Context) (int64, error) { return late.Refused(), nil }
	_, err = p.came(ctx, &effect{what: "late INSERTs refused", least: 1, now: refused})
	return late.Fired(), err
}

// sleeps is how long a frozen service is away: longer than the broker's lock on its queues and the
// next rebalance.
const sleeps = 70 * time.Second
