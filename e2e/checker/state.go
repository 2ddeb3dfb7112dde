package checker

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"golang.org/x/sync/errgroup"
)

// state is what both databases say. The comparing is done here and not in SQL: joins of tables
// that have just grown take a database without fresh statistics minutes.
type state struct {
	orders     map[string]*orderRow // by id
	applied    map[string]*movement // what order-service applied, by payment number
	decided    map[string]*movement // what payment-service decided, by payment number
	again      []*movement          // decided under a payment number that is in decided too
	reapplied  []*movement          // applied under a payment number that is in applied too
	progress   map[string]int64     // the last sequence that took effect, by order
	entries    []*entryRow          // by payment number
	accounts   map[string]walletRow // by id
	parked     map[string]movement  // parked or discarded, by payment number
	waiting    map[string]movement  // waiting for their predecessor, by payment number
	markedDone []movement           // released, or replayed by an operator
	toOperator []parkedRow          // parked, replayed or discarded, of either service
	notices    map[string]notice    // by the id of the parked message
	outbox     []outboxRow          // of both databases
	unplaced   []outboxRow          // decisions that have no place in the journal

	ordersParked, paymentsParked []parkedRow // all of both databases, in any state

	customers     map[string]customerRow  // by id
	balances      map[string]customerRow  // their points, by customer
	history       map[string][]*pointsRow // of their points, by customer, in sequence
	pointsWaiting []*pointsRow

	orderKeys, paymentKeys map[string]*keyRow // by idempotency key
	// Answers of order-service that accept an instruction, by payment number.
	accepted map[string]*answer
	deposits map[string]entryRow // what each deposit put into which wallet, by deposit number
}

// readState reads both databases at the same time.
func (c *Checker) readState(ctx context.Context, orders, payments *sql.Tx) (*state, error) {
	s := &state{
		orders: map[string]*orderRow{}, applied: map[string]*movement{},
		decided: map[string]*movement{}, progress: map[string]int64{}, accounts: map[string]walletRow{},
		parked: map[string]movement{}, waiting: map[string]movement{}, notices: map[string]notice{},
		customers: map[string]customerRow{}, balances: map[string]customerRow{},
		history:   map[string][]*pointsRow{},
		orderKeys: map[string]*keyRow{}, paymentKeys: map[string]*keyRow{}, accepted: map[string]*answer{},
		deposits: map[string]entryRow{},
	}

	var ordersOutbox, paymentsOutbox []outboxRow
	var ordersNotices, paymentsNotices []notice
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return inTurn(
			func() error { return s.readOrders(ctx, orders) },
			func() error { return s.readCustomers(ctx, orders) },
			func() error { return readParked(ctx, orders, &s.ordersParked) },
			func() error { return readNotices(ctx, orders, &ordersNotices) },
			func() error { return readOutbox(ctx, orders, &ordersOutbox) },
			func() error { return c.readKeys(ctx, orders, s.orderKeys) })
	})
	group.Go(func() error {
		return inTurn(
			func() error { return s.readDecided(ctx, payments) },
			func() error { return s.readMoney(ctx, payments) },
			func() error { return readParked(ctx, payments, &s.paymentsParked) },
			func() error { return readNotices(ctx, payments, &paymentsNotices) },
			func() error { return s.readPoints(ctx, payments) },
			func() error { return s.readJournalPending(ctx, payments) },
			func() error { return readOutbox(ctx, payments, &paymentsOutbox) },
			func() error { return c.readKeys(ctx, payments, s.paymentKeys) })
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}

	s.outbox = append(ordersOutbox, paymentsOutbox...)
	for _, n := range append(ordersNotices, paymentsNotices...) {
		s.notices[n.ParkedID] = n
	}
	s.takeParked()

	for _, k := range s.orderKeys {
		if k.Answer.isAccepted() {
			s.accepted[k.Answer.PaymentNo] = k.Answer
		}
	}
	return s, nil
}

// inTurn stops at the first error.
func inTurn(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) readOrders(ctx context.Context, tx *sql.Tx) error {
	err := read(ctx, tx, "SELECT id, status, COALESCE(payment_no, ''), reason, seq, account_id,"+
		" amount_minor, currency, customer_id,"+
		" CASE WHEN status = 'refunded' THEN amount_minor ELSE refunded_minor END, COALESCE(asked_minor,"+
		" amount_minor), COALESCE(cancelled_no, '') FROM orders",
		func(o *orderRow) []any {
			return []any{
				&o.ID, &o.Status, &o.PaymentNo, &o.Reason, &o.Seq, &o.Terms.AccountID, &o.Terms.Minor,
				&o.Terms.Currency, &o.CustomerID,
				&o.Refunded, &o.Asked, &o.CancelledNo,
			}
		},
		func(o *orderRow) { s.orders[o.ID] = o })
	if err != nil {
		return err
	}

	return read(ctx, tx, "SELECT payment_no, order_id, seq, type, outcome, COALESCE(amount_minor, 0) FROM"+
		" payments",
		func(m *movement) []any {
			return []any{&m.PaymentNo, &m.OrderID, &m.Seq, &m.Type, &m.Outcome, &m.Terms.Minor}
		},
		func(m *movement) { keepFirst(s.applied, &s.reapplied, m) })
}

// keepFirst keeps the first movement of each payment number in first, and appends any other to
// further.
func keepFirst(first map[string]*movement, further *[]*movement, m *movement) {
	if _, twice := first[m.PaymentNo]; twice {
		*further = append(*further, m)
		return
	}
	first[m.PaymentNo] = m
}

func (s *state) readDecided(ctx context.Context, tx *sql.Tx) error {
	err := read(ctx, tx, "SELECT id, payment_no, order_id, seq, type, outcome, reason, account_id,"+
		" amount_minor, currency,"+
		" CAST(created_at AS CHAR) FROM payment_numbers",
		func(m *movement) []any {
			return []any{
				&m.ID, &m.PaymentNo, &m.OrderID, &m.Seq, &m.Type, &m.Outcome, &m.Reason,
				&m.Terms.AccountID, &m.Terms.Minor, &m.Terms.Currency, &m.At,
			}
		},
		func(m *movement) { keepFirst(s.decided, &s.again, m) })
	if err != nil {
		return err
	}

	return read(ctx, tx, "SELECT order_id, last_seq FROM order_progress",
		func(m *movement) []any { return []any{&m.OrderID, &m.Seq} },
		func(m *movement) { s.progress[m.OrderID] = m.Seq })
}

func (s *state) readMoney(ctx context.Context, tx *sql.Tx) error {
	err := read(ctx, tx, "SELECT id, balance_minor, currency, CAST(created_at AS CHAR) FROM accounts",
		func(w *walletRow) []any { return []any{&w.ID, &w.Minor, &w.Currency, &w.At} },
		func(w *walletRow) { s.accounts[w.ID] = *w })
	if err != nil {
		return err
	}

	err = read(ctx, tx, "SELECT payment_no, account_id, amount_minor, currency, kind, CAST(created_at AS"+
		" CHAR) FROM entries",
		func(e *entryRow) []any {
			return []any{&e.PaymentNo, &e.AccountID, &e.Minor, &e.Currency, &e.Kind, &e.At}
		},
		func(e *entryRow) {
			s.entries = append(s.entries, e)
			if e.Kind == kindDeposit && e.AccountID != outside {
				s.deposits[e.PaymentNo] = *e
			}
		})

	slices.SortFunc(s.entries, func(a, b *entryRow) int {
		return cmp.Or(cmp.Compare(a.PaymentNo, b.PaymentNo), cmp.Compare(a.AccountID, b.AccountID))
	})
	return err
}

func readOutbox(ctx context.Context, tx *sql.Tx, rows *[]outboxRow) error {
	return read(ctx, tx, "SELECT id, topic, sharding_key, message_key, CAST(created_at AS CHAR) FROM outbox",
		func(o *outboxRow) []any { return []any{&o.ID, &o.Topic, &o.OrderID, &o.PaymentNo, &o.At} },
		func(o *outboxRow) { *rows = append(*rows, *o) })
}

// payloadReadMax is the length, in bytes, up to which a parked payload is searched for its payment
// number; a real message is far shorter.
const payloadReadMax = "16384"

// readParked reads parked_messages. A message that was parked as it came has no payment number in
// its row, but often one in its payload.
func readParked(ctx context.Context, tx *sql.Tx, rows *[]parkedRow) error {
	return read(ctx, tx, "SELECT id, state, cause, topic, attempts, payload_sha256, COALESCE(payment_no,"+
		" ''), COALESCE(order_id, ''), COALESCE(seq, 0),"+
		" CASE WHEN payment_no IS NULL AND LENGTH(payload) <= "+payloadReadMax+" THEN payload ELSE '' END"+
		" FROM parked_messages",
		func(p *parkedRow) []any {
			return []any{
				&p.ID, &p.State, &p.Cause, &p.Topic, &p.Attempts, &p.Hash, &p.PaymentNo, &p.OrderID, &p.Seq,
				&p.Payload,
			}
		},
		func(p *parkedRow) { *rows = append(*rows, *p) })
}

// takeParked sorts the parked messages: toOperator takes those that an operator of either service
// has or had, takeInstruction the instructions that payment-service keeps.
func (s *state) takeParked() {
	for _, p := range slices.Concat(s.ordersParked, s.paymentsParked) {
		if p.State != "waiting" && p.State != "released" {
			s.toOperator = append(s.toOperator, p)
		}
	}
	for _, p := range s.paymentsParked {
		s.takeInstruction(p)
	}
}

func (s *state) takeInstruction(p parkedRow) {
	// A message in conflict claims a number that belongs to another one.
	if p.Topic != "settlement" || p.Cause == "conflict" {
		return
	}

	m := p.movement
	if m.PaymentNo == "" {
		m = movementIn(p.Payload)
	}

	switch {
	case m.PaymentNo == "":
	case p.State == "waiting":
		s.waiting[m.PaymentNo] = m
	case p.State == "parked", p.State == "discarded":
		s.parked[m.PaymentNo] = m
	default:
		s.markedDone = append(s.markedDone, m)
	}
}

// readNotices counts, for each parked message, the channels that were told and those that still
// have to be.
func readNotices(ctx context.Context, tx *sql.Tx, notices *[]notice) error {
	return read(ctx, tx, "SELECT parked_id, COUNT(told_at), COUNT(*) - COUNT(told_at), MAX(last_error) FROM"+
		" notifications WHERE type = 'message.parked' GROUP BY parked_id",
		func(n *notice) []any { return []any{&n.ParkedID, &n.Told, &n.Waiting, &n.LastError} },
		func(n *notice) { *notices = append(*notices, *n) })
}

// movementIn reads what it can of a message that could not be settled.
func movementIn(payload []byte) movement {
	var m struct {
		PaymentNo string `json:"payment_no"`
		OrderID   string `json:"order_id"`
		Seq       int64  `json:"seq"`
	}
	// A field of a wrong type leaves the others; a body that is not JSON names nothing.
	_ = json.Unmarshal(payload, &m)
	return movement{PaymentNo: m.PaymentNo, OrderID: m.OrderID, Seq: m.Seq}
}

// readKeys reads the remembered answers. Decoding them takes half the time of a look, and they
// never change, so that decoded ones are kept.
func (c *Checker) readKeys(ctx context.Context, tx *sql.Tx, keys map[string]*keyRow) error {
	return read(ctx, tx, "SELECT idem_key, result, refusal_code, refusal_detail FROM idempotency_keys",
		func(k *keyRow) []any { return []any{&k.Key, &k.Result, &k.RefusalCode, &k.RefusalDetail} },
		func(k *keyRow) {
			known, ok := c.answers.Load(k.Result)
			if !ok {
				a := new(answer)
				// An answer that cannot be read answers for nothing: checkKeys finds that.
				_ = json.Unmarshal([]byte(k.Result), a)
				known = a
				c.answers.Store(k.Result, a)
			}
			k.Answer, _ = known.(*answer)
			keys[k.Key] = k
		})
}
