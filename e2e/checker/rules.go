package checker

// The accounts without a row: the other sides of every movement.
const (
	merchant = "00000000-0000-7000-8000-000000000001"
	outside  = "00000000-0000-7000-8000-000000000002"
)

// waitsInOutbox is for both databases.
const waitsInOutbox = `
	SELECT id, topic, sharding_key AS order_id, message_key AS payment_no, created_at FROM outbox`

// paymentRules look at the payments database alone.
var paymentRules = []rule{
	{Money, "entries of a payment number do not sum to zero", `
		SELECT payment_no, currency, SUM(amount_minor) AS sum FROM entries
		GROUP BY payment_no, currency HAVING SUM(amount_minor) <> 0`},
	{Money, "a wallet is not the sum of its entries", `
		SELECT a.id AS account_id, a.balance_minor, COALESCE(SUM(e.amount_minor), 0) AS entries
		FROM accounts a LEFT JOIN entries e ON e.account_id = a.id AND e.currency = a.currency
		GROUP BY a.id, a.balance_minor HAVING a.balance_minor <> COALESCE(SUM(e.amount_minor), 0)`},
	{Money, "a wallet is below zero", `
		SELECT id AS account_id, balance_minor FROM accounts WHERE balance_minor < 0`},
	{Money, "an entry is not what its payment asks of that account", `
		SELECT p.order_id, e.payment_no, e.account_id, e.amount_minor, e.currency, p.outcome, p.account_id AS payer, p.amount_minor AS payment_minor
		FROM entries e JOIN payment_numbers p ON p.payment_no = e.payment_no
		WHERE e.currency <> p.currency OR e.kind <> p.type OR NOT (e.amount_minor <=> CASE
			WHEN e.account_id = p.account_id AND p.outcome = 'paid' THEN -p.amount_minor
			WHEN e.account_id = p.account_id AND p.outcome = 'refunded' THEN p.amount_minor
			WHEN e.account_id = '` + merchant + `' AND p.outcome = 'paid' THEN p.amount_minor
			WHEN e.account_id = '` + merchant + `' AND p.outcome = 'refunded' THEN -p.amount_minor END)`},
	{Money, "a deposit is not one entry from outside and one into a wallet", `
		SELECT payment_no, COUNT(*) AS entries, SUM(amount_minor < 0) AS negative, SUM(account_id = '` + outside + `') AS outside
		FROM entries WHERE kind = 'deposit' GROUP BY payment_no
		HAVING COUNT(*) <> 2 OR SUM(account_id = '` + outside + `' AND amount_minor < 0) <> 1
			OR SUM(account_id NOT IN ('` + merchant + `', '` + outside + `') AND amount_minor > 0) <> 1`},
	{Money, "an entry is on no account, or in another currency than the account", `
		SELECT e.payment_no, e.account_id, e.amount_minor, e.currency
		FROM entries e LEFT JOIN accounts a ON a.id = e.account_id
		WHERE e.account_id NOT IN ('` + merchant + `', '` + outside + `') AND NOT (a.currency <=> e.currency)`},
	{Double, "a payment number is there more than once", `
		SELECT payment_no, COUNT(*) AS times FROM payment_numbers GROUP BY payment_no HAVING COUNT(*) > 1`},
	{Double, "a payment number moved a wallet more than once", `
		SELECT payment_no, account_id, COUNT(*) AS times FROM entries GROUP BY payment_no, account_id HAVING COUNT(*) > 1`},
	{Double, "an order is paid while it is paid, or refunded while it is not", `
		SELECT p.order_id, p.payment_no, p.seq, p.outcome FROM payment_numbers p
		WHERE p.outcome IN ('paid', 'refunded') AND (p.outcome = 'paid') <> (
			SELECT SUM(q.outcome = 'paid') - SUM(q.outcome = 'refunded') FROM payment_numbers q
			WHERE q.order_id = p.order_id AND q.seq <= p.seq)`},
	{Lost, "a message waits in the outbox", waitsInOutbox},
	{Lost, "an instruction waits, and its predecessor is done", `
		SELECT w.id, w.order_id, w.payment_no, w.seq, o.last_seq FROM parked_messages w JOIN order_progress o ON o.order_id = w.order_id
		WHERE w.state = 'waiting' AND o.last_seq >= w.seq - 1`},
	{Lost, "an instruction was marked as settled, and is not", `
		SELECT m.id, m.order_id, m.payment_no, m.seq, m.state FROM parked_messages m LEFT JOIN payment_numbers p ON p.payment_no = m.payment_no
		WHERE m.state IN ('replayed', 'released') AND m.payment_no IS NOT NULL AND p.payment_no IS NULL`},
	{Order, "an order's sequence has a gap", `
		SELECT order_id, COUNT(*) AS instructions, MIN(seq) AS first, MAX(seq) AS last FROM payment_numbers
		GROUP BY order_id HAVING MIN(seq) <> 1 OR MAX(seq) <> COUNT(*)`},
	{Order, "an order's progress is not its last sequence", `
		SELECT o.order_id, o.last_seq, COALESCE(MAX(p.seq), 0) AS decided
		FROM order_progress o LEFT JOIN payment_numbers p ON p.order_id = o.order_id
		GROUP BY o.order_id, o.last_seq HAVING o.last_seq <> COALESCE(MAX(p.seq), 0)`},
	{Order, "an instruction took effect before its predecessor", `
		SELECT p.order_id, q.payment_no, q.seq, q.id, p.payment_no AS predecessor, p.id AS predecessor_id
		FROM payment_numbers p JOIN payment_numbers q ON q.order_id = p.order_id AND q.seq = p.seq + 1
		WHERE q.id < p.id AND q.created_at <> p.created_at`}, // one batch writes its numbers in no order, at one time
	{All, "an outcome is none that its instruction can have", `
		SELECT order_id, payment_no, seq, type, outcome FROM payment_numbers
		WHERE (type, outcome) NOT IN (('settle', 'paid'), ('settle', 'declined'), ('refund', 'refunded'), ('refund', 'failed'))`},
	{All, "declined for want of a wallet that was there", `
		SELECT p.order_id, p.payment_no, p.account_id, p.created_at, a.created_at AS opened_at
		FROM payment_numbers p JOIN accounts a ON a.id = p.account_id
		WHERE p.reason = 'unknown_account' AND a.created_at < p.created_at`},
	{All, "a payment number has not the entries that its outcome asks for", `
		SELECT p.payment_no, p.order_id, p.outcome, COUNT(e.id) AS entries
		FROM payment_numbers p LEFT JOIN entries e ON e.payment_no = p.payment_no
		GROUP BY p.payment_no, p.order_id, p.outcome
		HAVING COUNT(e.id) <> CASE WHEN p.outcome IN ('paid', 'refunded') THEN 2 ELSE 0 END`},
	{All, "entries have no payment number", `
		SELECT e.payment_no, e.account_id, e.amount_minor FROM entries e
		LEFT JOIN payment_numbers p ON p.payment_no = e.payment_no
		WHERE e.kind <> 'deposit' AND p.payment_no IS NULL`},
}

// orderRules look at the orders database alone.
var orderRules = []rule{
	{Lost, "a message waits in the outbox", waitsInOutbox},
	{Order, "outcomes were not applied one for each sequence that has ended", `
		SELECT o.id AS order_id, o.status, o.seq, COUNT(p.payment_no) AS applied, MIN(p.seq) AS first, MAX(p.seq) AS last
		FROM orders o LEFT JOIN payments p ON p.order_id = o.id
		GROUP BY o.id, o.status, o.seq
		HAVING COUNT(p.payment_no) <> o.seq - (o.status IN ('settling', 'refunding'))
			OR COALESCE(MIN(p.seq), 1) <> 1 OR COALESCE(MAX(p.seq), 0) <> COUNT(p.payment_no)`},
	{All, "an order's status is not its last outcome", `
		SELECT o.id AS order_id, o.seq, o.status, o.payment_no, p.payment_no AS applied, p.outcome
		FROM orders o LEFT JOIN payments p ON p.order_id = o.id AND p.seq = o.seq
		WHERE o.status NOT IN ('settling', 'refunding') AND NOT CASE WHEN o.seq = 0
			THEN o.status = 'created' AND o.payment_no IS NULL
			ELSE o.status <=> p.outcome AND o.payment_no <=> p.payment_no END`},
	{All, "an outcome was applied to an order that is not there", `
		SELECT p.payment_no, p.order_id, p.seq, p.outcome
		FROM payments p LEFT JOIN orders o ON o.id = p.order_id WHERE o.id IS NULL`},
}
