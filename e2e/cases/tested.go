package cases

// testedFaults are those that need no stack: Go tests show what happens.
var testedFaults = []testedFault{
	{
		From: fromClient,
		Title: Text{
			EN: "the user clicks twice (two keys)",
			ZH: "用户连点两次（两个 key）",
		},
		Then: Text{
			EN: "one 202, one 409; one debit",
			ZH: "一个 202，一个 409；只扣一次款",
		},
		Tests: []string{
			"e2e/settle_test.go:TestADoubleClickPaysOnce",
		},
	},
	{
		From: fromProducer,
		Title: Text{
			EN: "a send fails in the middle of a queue's rows",
			ZH: "一个队列的记录发到一半失败",
		},
		Then: Text{
			EN: "the rows behind it wait; the order per key stays",
			ZH: "后面的记录原地等待；同一个 key 的顺序不乱",
		},
		Tests: []string{
			"shared/outbox/relay_test.go:TestOrderPerKeyWhileSendsFail",
		},
	},
	{
		From: fromProducer,
		Title: Text{
			EN: "one queue cannot be sent to, with 20,000 rows waiting for it",
			ZH: "某个队列发不出去，而它的待发行积了 20000 条",
		},
		Then: Text{
			EN: "it pauses alone; the others go on",
			ZH: "只有它自己暂停；其他队列照常发送",
		},
		Tests: []string{
			"shared/outbox/relay_busy_test.go:TestAFailingQueueDoesNotStarveTheOthers",
		},
	},
	{
		From: fromProducer,
		Title: Text{
			EN: "a row commits while the relay is between two pages, and its successor behind it",
			ZH: "relay 正翻页时一行才提交，它的后一条跟着提交",
		},
		Then: Text{
			EN: "the round ends with the newest row that it began with: the successor waits for the next",
			ZH: "一轮只发到开始时最新的那一行：后一条等下一轮",
		},
		Tests: []string{
			"shared/outbox/relay_busy_test.go:TestALaterPageDoesNotOvertakeAnEarlierOne",
		},
	},
	{
		From: fromProducer,
		Title: Text{
			EN: "a transaction that added to the outbox stays open",
			ZH: "一个往发件箱写过行的事务迟迟不提交",
		},
		Then: Text{
			EN: "the relay does not wait for it",
			ZH: "relay 不等它",
		},
		Tests: []string{
			"shared/outbox/relay_busy_test.go:TestAnOpenTransactionDoesNotHoldUpTheRelay",
		},
	},
	{
		From: fromBroker,
		Title: Text{
			EN: "the broker's master gets another address, as in a failover",
			ZH: "broker 的主节点换了地址（比如故障切换）",
		},
		Then: Text{
			EN: "consumers switch about 10 s after the name server has the new route (they check it every 5 s); left alone, the client would wait for its next route query and then its next heartbeat, up to 30 s each",
			ZH: "NameServer 更新路由后约 10 s，消费者切到新主（每 5 s 检查一次）；只靠客户端自己，要先等下一次查路由、再等下一次心跳，最多各 30 s",
		},
		Tests: []string{
			"shared/rocketmq/door_test.go:TestAConsumerFollowsItsMaster",
		},
	},
	{
		From: fromBroker,
		Title: Text{
			EN: "an operator sets the offsets back while a consumer runs, which is stopped then",
			ZH: "运维在消费者运行时把位点调回，随后消费者被停止",
		},
		Then: Text{
			EN: "the reset takes effect: the next one begins there",
			ZH: "重置生效：下一个消费者从那里开始",
		},
		Tests: []string{
			"shared/rocketmq/moved_test.go:TestAnOperatorsResetOutlivesAStop",
		},
	},
	{
		From: fromConsumer,
		Title: Text{
			EN: "a process is frozen or cut off inside a transaction",
			ZH: "进程在事务中途被冻住或断网",
		},
		Then: Text{
			EN: "after 15 s the server ends its session and frees its locks",
			ZH: "15 秒后由服务器结束它的会话，释放它的锁",
		},
		Tests: []string{
			"shared/dbtx/dbtx_test.go:TestASilentTransactionIsEndedByTheServer",
		},
	},
	{
		From: fromConsumer,
		Title: Text{
			EN: "a handler fails or panics",
			ZH: "handler 报错或 panic",
		},
		Then: Text{
			EN: "the queue pauses, 100 ms growing to 5 s, and the same batch comes again; other queues go on",
			ZH: "该队列暂停，间隔从 100 ms 递增到 5 s，同一批重投；其他队列照常",
		},
		Tests: []string{
			"shared/rocketmq/consumer_test.go:TestConsumerSuspendsWithGrowingPause",
		},
	},
	{
		From: fromConsumer,
		Title: Text{
			EN: "one message after another fails: a table is gone, a release is bad",
			ZH: "消息一条接一条都失败：表没了，或者发布了坏版本",
		},
		Then: Text{
			EN: "it is the system's fault and not theirs: the queues pause, people are told once, nothing is parked",
			ZH: "这是系统的错，不是消息的错：队列暂停，通知人一次，什么都不搁置",
		},
		Tests: []string{
			"payment-service/internal/listener/failing_test.go:TestASystemicFaultParksNothing",
		},
	},
	{
		From: fromConsumer,
		Title: Text{
			EN: "a successor fails when its predecessor's settling releases it",
			ZH: "前一条结算时放行的后续指令失败",
		},
		Then: Text{
			EN: "the predecessor stays settled; the failures count against the successor, which is parked",
			ZH: "前一条照样结算；失败算在后续指令头上，由它搁置",
		},
		Tests: []string{
			"payment-service/internal/listener/failing_test.go:TestAFailingSuccessorIsNotBlamedOnItsPredecessor",
		},
	},
	{
		From: fromConsumer,
		Title: Text{
			EN: "what an instruction waits for never comes: it was cut, or discarded unread",
			ZH: "指令等的那一条永远不来：被截断，或者没读就丢弃了",
		},
		Then: Text{
			EN: "people are told after two minutes; an operator closes the gap (`--close-gap`)",
			ZH: "两分钟后通知人；由人工跳过缺口（`--close-gap`）",
		},
		Tests: []string{
			"payment-service/internal/listener/failing_test.go:TestAGapIsToldAndClosed",
		},
	},
	{
		From: fromConsumer,
		Title: Text{
			EN: "a payment number comes with another order or amount, a place under another number, an outcome that contradicts",
			ZH: "支付单号带着别的订单或金额再来、位置被别的单号冒占、结果与记录矛盾",
		},
		Then: Text{
			EN: "parked as a conflict, and told; an honest copy at the same moment is a repeat",
			ZH: "作为冲突搁置并通知；同一时刻的正当副本只是重复",
		},
		Tests: []string{
			"payment-service/internal/listener/conflict_test.go:TestAConflictIsParkedAndTold",
			"payment-service/internal/listener/conflict_test.go:TestCopiesAtOnceAreNoConflicts",
			"order-service/internal/store/store_test.go:TestForeignOutcomesAreParkedAndChangeNothing",
		},
	},
	{
		From: fromConsumer,
		Title: Text{
			EN: "an outcome comes before its order is known: a database that is behind after a failover",
			ZH: "结果先于订单可见：故障切换后数据库落后",
		},
		Then: Text{
			EN: "it waits for the order, in the database",
			ZH: "在数据库里等订单出现",
		},
		Tests: []string{
			"order-service/internal/store/store_test.go:TestAnOutcomeThatComesTooEarlyIsAppliedLater",
		},
	},
	{
		From: fromConsumer,
		Title: Text{
			EN: "an instruction or its outcome is lost between the two databases",
			ZH: "指令或它的结果在两个数据库之间丢失",
		},
		Then: Text{
			EN: "what has no outcome after 30 s is sent again under its payment number: decided once, answered each time",
			ZH: "30 s 没有结果就用同一支付单号重发：只决定一次，每次都答复",
		},
		Tests: []string{
			"order-service/internal/store/store_test.go:TestAnUnansweredInstructionIsSentAgain",
			"payment-service/internal/store/settle_batch_test.go:TestTheSameBatchTwice",
		},
	},
	{
		From: fromConsumer,
		Title: Text{
			EN: "a graceful restart",
			ZH: "优雅重启",
		},
		Then: Text{
			EN: "nothing is repeated",
			ZH: "没有任何重复",
		},
		Tests: []string{
			"e2e/repeat_test.go:TestAGracefulRestartRepeatsNothing",
		},
	},
	{
		From: fromDatabase,
		Title: Text{
			EN: "somebody changes a row of the books, or puts a record into the journal",
			ZH: "有人改了账本里的一行，或往审计流水里塞了一条记录",
		},
		Then: Text{
			EN: "the next audit says which",
			ZH: "下一次审计指出是哪一条",
		},
		Tests: []string{
			"e2e/journal_test.go:TestTheJournalShowsWhatWasTamperedWith",
			"payment-service/internal/audit/audit_test.go:TestEachTamperingIsSeen",
		},
	},
	{
		From: fromDatabase,
		Title: Text{
			EN: "64 settlements of one wallet at once",
			ZH: "64 笔结算同时扣同一个钱包",
		},
		Then: Text{
			EN: "it is never overdrawn",
			ZH: "绝不透支",
		},
		Tests: []string{
			"payment-service/internal/store/settle_batch_test.go:TestConcurrentSettlesOfOneWalletNeverOverdraw",
		},
	},
}
