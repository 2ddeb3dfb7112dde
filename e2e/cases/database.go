package cases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"settlement/e2e/faults"
	"settlement/e2e/stack"
	"settlement/e2e/wait"
	"settlement/shared/money"
)

var databaseCases = []Case{
	{
		Name: "commit-answer-lost", From: fromDatabase,
		Title: Text{
			EN: "The settle transaction is committed, and the answer to COMMIT is lost: nobody knows.",
			ZH: "结算事务已提交，COMMIT 的应答丢了：没人知道结果。",
		},
		Then: Text{
			EN: "*unknown*: the queue pauses, the repeat finds the payment number",
			ZH: "视为*结果未知*：队列暂停，重投时查到支付单号",
		},
		Tests: []string{
			"payment-service/internal/store/settle_batch_test.go:TestALostCommitAnswerIsFoundByTheRepeat",
		},
		run: commitAnswerLost(settlements),
	},
	{
		Name: "commit-lost", From: fromDatabase,
		Title: Text{
			EN: "COMMIT of the settle transaction never reaches the database, and the connection is reset.",
			ZH: "结算事务的 COMMIT 没有到达数据库，连接被重置。",
		},
		Then: Text{
			EN: "not committed; the messages come again",
			ZH: "没有提交；消息重投",
		},
		run: undoing(func() *faults.SQLRule {
			return &faults.SQLRule{
				Touching: settleTx, At: faults.BeforeCommit, Every: 3, Limit: undoneTimes, Do: faults.Cut,
			}
		}),
	},
	{
		Name: "connection-reset", From: fromDatabase,
		Title: Text{
			EN: "The connection is reset in the middle of the settle transaction.",
			ZH: "结算事务进行到一半，连接被重置。",
		},
		Then: Text{
			EN: "rolled back; the messages come again",
			ZH: "事务回滚；消息重投",
		},
		run: undoing(func() *faults.SQLRule {
			return &faults.SQLRule{
				Touching: entriesTx, At: faults.AtStatement, Every: 3, Limit: undoneTimes, Do: faults.Cut,
			}
		}),
	},
	{
		Name: "deadlock", From: fromDatabase,
		Title: Text{
			EN: "Another session forces the settle transaction into a deadlock (1213).",
			ZH: "另一个会话逼得结算事务死锁（1213）。",
		},
		Then: Text{
			EN: "the whole transaction is rolled back and run again, a bounded number of times; then the queue pauses. A request is answered 503 after its first lock wait",
			ZH: "整个事务回滚后重跑，次数有上限；之后队列暂停。HTTP 请求在第一次锁等待超时后就以 503 应答",
		},
		Tests: []string{
			"shared/dbtx/dbtx_test.go:TestALockWaitRollsBackTheWholeTransaction",
		},
		run: deadlock,
	},
	{
		Name: "row-held", From: fromDatabase,
		Title: Text{
			EN: "Another session holds a wallet's row for longer than the lock wait (1205).",
			ZH: "另一个会话占住钱包的行，超过锁等待时限（1205）。",
		},
		Then: Text{
			EN: "the whole transaction is rolled back and run again, a bounded number of times; then the queue pauses. A request is answered 503 after its first lock wait",
			ZH: "整个事务回滚后重跑，次数有上限；之后队列暂停。HTTP 请求在第一次锁等待超时后就以 503 应答",
		},
		run: rowHeld,
	},
	{
		Name: "database-killed", From: fromDatabase,
		Title: Text{
			EN: "The database server is killed under load and starts again.",
			ZH: "数据库服务器在负载下被杀后重启。",
		},
		Then: Text{
			EN: "what it confirmed is on disk; requests are answered 503 and asked again",
			ZH: "它确认过的都已落盘；请求得到 503，客户端再次请求",
		},
		run: serverKilled(stack.Database,
			func(p *Play) int64 { return p.Order.DB.Missed() + p.Payment.DB.Missed() }),
	},
	{
		Name: "database-frozen", From: fromDatabase,
		Title: Text{
			EN: "The database server is frozen for 30 s.",
			ZH: "数据库服务器被冻住 30 s。",
		},
		Then: Text{
			EN: "every wait has an end; queues pause",
			ZH: "每个等待都有时限；队列暂停",
		},
		run: databaseFrozen,
	},
	{
		Name: "slow-network", From: fromDatabase,
		Title: Text{
			EN: "Every packet to and from broker and database takes 500±400 ms, for 40 s.",
			ZH: "40 s 里，与 broker 和数据库往来的每个包都延迟 500±400 ms。",
		},
		Then: Text{
			EN: "hardly anything commits meanwhile, and all of it is done afterwards",
			ZH: "期间几乎什么都提交不了，之后全部补上",
		},
		run: func(ctx context.Context, p *Play) (int64, error) {
			const delay, jitter = 500 * time.Millisecond, 400 * time.Millisecond
			p.Order.MQ.Slow(delay, jitter)
			p.Order.DB.Slow(delay, jitter)
			p.Payment.MQ.Slow(delay, jitter)
			p.Payment.DB.Slow(delay, jitter)
			began := time.Now()
			if err := p.lasts(ctx, 40*time.Second); err != nil {
				return 1, err
			}
			// A transaction takes half a dozen round trips at least.
			return 1, p.had(p.slowShare(began, time.Now(), 3*time.Second), 30,
				"% of the requests took longer than 3 s, or were not answered")
		},
	},
	{
		Name: "outcome-commit-answer-lost", From: fromDatabase,
		Title: Text{
			EN: "order-service's answer to the COMMIT of outcomes is lost.",
			ZH: "order-service 提交结果时，COMMIT 的应答丢了。",
		},
		Then: Text{
			EN: "*unknown*: the queue pauses, the repeat finds the payment number",
			ZH: "视为*结果未知*：队列暂停，重投时查到支付单号",
		},
		run: commitAnswerLost(outcomes),
	},
	{
		Name: "customer-row-held", From: fromDatabase,
		Title: Text{
			EN: "Another session holds a customer's row for longer than the lock wait (1205), while that customer's orders are paid.",
			ZH: "另一个会话占住一个顾客的行，超过锁等待时限（1205），而这个顾客的订单正在付款。",
		},
		Then: Text{
			EN: "all of it is rolled back and decided anew: one reward for each paid order",
			ZH: "整个回滚，从头再决定一遍：每个已付订单只奖励一次",
		},
		run: customerRowHeld,
	},
	{
		Name: "outcomes-refused", From: fromDatabase,
		Title: Text{
			EN: "order-service's database refuses every outcome, for 65 s, for a reason nobody foresaw.",
			ZH: "order-service 的数据库因没人料到的原因，连续 65 s 拒绝所有支付结果。",
		},
		Then: Text{
			EN: "the queues pause; nothing is passed over, however often it was tried",
			ZH: "队列暂停；试过多少次都不跳过任何一条",
		},
		run: outcomesRefused,
	},
}

// commitAnswerLost loses so many answers that some of them are about payments, and not about
// refunds and declines only.
func commitAnswerLost(l line) run {
	const answers = 15
	return showing(answers, "repeats found by their payment number", l.repeats,
		statementsBroken(l.consumer, answers, func(*Play) *faults.SQLRule {
			return &faults.SQLRule{
				Touching: l.consumeTx, At: faults.AfterCommit, Every: 2, Limit: answers, Do: faults.Cut,
			}
		}))
}

// undoneTimes is how many settle transactions are cut off.
const undoneTimes = 5

// undoing cuts settle transactions off after they have written payment numbers.
func undoing(rule func() *faults.SQLRule) run {
	return showing(undoneTimes, "payment numbers written and rolled back", undone,
		statementsBroken(paymentSide, undoneTimes, func(*Play) *faults.SQLRule { return rule() }))
}

func databaseFrozen(ctx context.Context, p *Play) (int64, error) {
	began, ended, err := p.frozen(ctx, stack.Database, 30*time.Second)
	if err != nil {
		return 0, err
	}
	return 1, p.had(p.slowShare(began, ended, 5*time.Second), 20,
		"% of the requests took longer than 5 s, or were not answered")
}

// The numbers of MySQL's errors.
const (
	duplicateKey = 1062
	lockWait     = 1205 // MariaDB's answer to NOWAIT too
	deadlocked   = 1213
	signalled    = 1644 // by a trigger
	lockNowait   = 3572 // MySQL's
)

// rowHeld keeps a wallet locked for 4 s at a time; payment-service waits 1 s for a lock.
func rowHeld(ctx context.Context, p *Play) (int64, error) {
	waits, err := p.expects(ctx, 3, "lock waits (1205) met by payment-service",
		refusedWith(paymentSide, lockWait)(p))
	if err != nil {
		return 0, err
	}

	held := func() error {
		tx, err := p.hold(ctx, p.wallets[0])
		if err != nil {
			return err
		}
		err = p.lasts(ctx, 4*time.Second)
		return errors.Join(err, tx.Rollback())
	}

	for range 3 {
		if err := p.power.Do(held); err != nil {
			return 0, err
		}
		if err := p.accepts(ctx, 10); err != nil {
			return 0, err
		}
	}

	return p.came(ctx, waits)
}

// hold locks a wallet in a transaction of its own.
func (p *Play) hold(ctx context.Context, wallet string) (*sql.Tx, error) {
	tx, err := p.books.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, "SELECT id FROM accounts FORCE INDEX (PRIMARY) WHERE id = ? FOR UPDATE",
		wallet); err != nil {
		return nil, fmt.Errorf("hold wallet %s: %w", wallet, errors.Join(err, tx.Rollback()))
	}
	return tx, nil
}

// deadlock makes payment-service the victim three times. The case's session holds a wallet.
// payment-service locks the progress of an order that is to be refunded, and waits for that wallet.
// Then the case's session asks for the progress. InnoDB ends the transaction that has changed fewer
// rows, and the case's session has changed more.
func deadlock(ctx context.Context, p *Play) (int64, error) {
	const times = 3
	ended, err := p.expects(ctx, times, "deadlocks (1213) that payment-service was the victim of",
		refusedWith(paymentSide, deadlocked)(p))
	if err != nil {
		return 0, err
	}
	wallet, ballast, err := p.deadlockWallets(ctx)
	if err != nil {
		return 0, err
	}

	for range times {
		order, err := p.paid(ctx, wallet, cny(1))
		if err != nil {
			return 0, err
		}

		fight := func() error {
			tx, err := p.hold(ctx, wallet)
			if err != nil {
				return err
			}
			err = p.collide(ctx, tx, order, ballast)
			return errors.Join(err, tx.Rollback())
		}
		if err := p.power.Do(fight); err != nil {
			return 0, err
		}
	}

	return p.came(ctx, ended)
}

// deadlockWallets opens a wallet to fight over, and many others for the case's session to change.
func (p *Play) deadlockWallets(ctx context.Context) (wallet string, ballast []string, err error) {
	const rows = 60 // more than a batch changes before it asks for wallets
	for range rows {
		a, err := p.api.CreateAccount(ctx, key(), "ballast", "CNY")
		if err != nil {
			return "", nil, err
		}
		ballast = append(ballast, a.ID)
	}
	return ballast[0], ballast[1:], p.api.Deposit(ctx, key(), ballast[0], cny(1000))
}

// paid places an order and waits until it is paid: its progress has a row from then on.
func (p *Play) paid(ctx context.Context, wallet string, amount money.Money) (string, error) {
	order, err := p.api.CreateOrder(ctx, key(), "customer", wallet, amount)
	if err != nil {
		return "", err
	}
	if _, err := p.api.Settle(ctx, key(), order.ID); err != nil {
		return "", err
	}
	return order.ID, wait.For(ctx, momentLimit, func(ctx context.Context) error {
		now, err := p.api.Order(ctx, order.ID)
		if err == nil && now.Status != "paid" {
			err = fmt.Errorf("order %s is %s, want paid", order.ID, now.Status)
		}
		return err
	})
}

func (p *Play) collide(ctx context.Context, tx *sql.Tx, order string, ballast []string) error {
	for _, id := range ballast {
		if _, err := tx.ExecContext(ctx, "UPDATE accounts SET owner = CONCAT(owner, '.') WHERE id = ?",
			id); err != nil {
			return err
		}
	}

	if _, err := p.api.Refund(ctx, key(), order); err != nil {
		return err
	}

	const progress = "SELECT last_seq FROM order_progress FORCE INDEX (PRIMARY) WHERE order_id = ? FOR UPDATE"
	// While another session can lock the order's progress, payment-service does not hold it yet.
	err := wait.For(ctx, momentLimit, func(ctx context.Context) error {
		held, err := p.isHeld(ctx, progress, order)
		if err == nil && !held {
			err = fmt.Errorf("payment-service has not locked the progress of order %s", order)
		}
		return err
	})
	if err != nil {
		return err
	}

	if _, err := tx.ExecContext(ctx, progress, order); err != nil {
		return fmt.Errorf("the deadlock ended this session, not payment-service's: %w", err)
	}
	return nil
}

// isHeld tells whether another transaction holds the row that query locks.
func (p *Play) isHeld(ctx context.Context, query, id string) (bool, error) {
	tx, err := p.books.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return false, err
	}
	_, err = tx.ExecContext(ctx, query+" NOWAIT", id)
	var refused *mysql.MySQLError
	held := errors.As(err, &refused) && (refused.Number == lockWait || refused.Number == lockNowait)
	if held {
		err = nil
	}
	return held, errors.Join(err, tx.Rollback())
}
