package checker

import (
	"context"
	"database/sql"
	"encoding/json"
)

// state is what both databases say, as far as it is compared across tables.
type state struct {
	orders   map[string]orderRow  // by id
	applied  map[string]movement  // what order-service applied, by payment number
	decided  map[string]movement  // what payment-service decided, by payment number
	accounts map[string]walletRow // by id
	deposits map[string]walletRow // what each deposit put into which wallet, by deposit number
	parked   map[string]movement  // with an operator or given up by one, by payment number
	waiting  map[string]movement  // for their predecessor, by payment number

	orderKeys, paymentKeys map[string]keyRow // by idempotency key
	accepted               map[string]answer // answers of order-service that accept an instruction, by payment number
}

// orderRow is a row of orders.
type orderRow struct {
	ID, Status, PaymentNo, Reason string
	Seq                           int64
	Terms                         terms
}

// underWay says that the order waits for the outcome of its latest instruction.
func (o orderRow) underWay() bool { return o.Status == "settling" || o.Status == "refunding" }

// terms are who pays how much; a refund is on the terms of its order too.
type terms struct {
	AccountID string
	Minor     int64
	Currency  string
}

// movement is what both sides must agree on for one payment number.
type movement struct {
	PaymentNo, OrderID string
	Seq                int64
	Type, Outcome      string

	Reason string // these two are payment-service's only
	Terms  terms
}

// walletRow is a wallet with its balance, or a deposit into it.
type walletRow struct {
	ID, AccountID string
	Minor         int64
	Currency      string
}

// keyRow is a row of idempotency_keys: the answer under a key, or the refusal.
type keyRow struct {
	Key, Result, RefusalCode, RefusalDetail string
	Answer                                  answer
}

// answer is what the checker reads of a remembered answer. The fields that it does not have
// are empty: only an order's has a CustomerID, only an accepted instruction's has an OrderID
// and no State, only a deposit's a DepositNo, only a wallet's an Owner.
type answer struct {
	ID, CustomerID, OrderID, PaymentNo, DepositNo, AccountID, Owner, State, Status string

	Seq    int64
	Amount struct {
		Currency string
		Minor    int64
	}
}

func (a answer) isOrder() bool    { return a.CustomerID != "" }
func (a answer) isAccepted() bool { return a.PaymentNo != "" && a.CustomerID == "" && a.State == "" }
func (a answer) isDeposit() bool  { return a.DepositNo != "" }
func (a answer) isWallet() bool   { return a.Owner != "" }

func readState(ctx context.Context, orders, payments *sql.Tx) (*state, error) {
	s := &state{
		orders: map[string]orderRow{}, applied: map[string]movement{}, decided: map[string]movement{},
		accounts: map[string]walletRow{}, deposits: map[string]walletRow{},
		parked: map[string]movement{}, waiting: map[string]movement{},
		orderKeys: map[string]keyRow{}, paymentKeys: map[string]keyRow{}, accepted: map[string]answer{},
	}
	for _, part := range []struct {
		tx   *sql.Tx
		read func(context.Context, *sql.Tx) error
	}{{orders, s.readOrders}, {payments, s.readDecided}, {payments, s.readWallets}, {payments, s.readParked}} {
		if err := part.read(ctx, part.tx); err != nil {
			return nil, err
		}
	}
	if err := readKeys(ctx, orders, s.orderKeys); err != nil {
		return nil, err
	}
	if err := readKeys(ctx, payments, s.paymentKeys); err != nil {
		return nil, err
	}
	for _, k := range s.orderKeys {
		if k.Answer.isAccepted() {
			s.accepted[k.Answer.PaymentNo] = k.Answer
		}
	}
	return s, nil
}

func (s *state) readOrders(ctx context.Context, tx *sql.Tx) error {
	err := read(ctx, tx, "SELECT id, status, COALESCE(payment_no, ''), reason, seq, account_id, amount_minor, currency FROM orders",
		func(o *orderRow) []any {
			return []any{&o.ID, &o.Status, &o.PaymentNo, &o.Reason, &o.Seq, &o.Terms.AccountID, &o.Terms.Minor, &o.Terms.Currency}
		},
		func(o orderRow) { s.orders[o.ID] = o })
	if err != nil {
		return err
	}
	return read(ctx, tx, "SELECT payment_no, order_id, seq, type, outcome FROM payments",
		func(m *movement) []any { return []any{&m.PaymentNo, &m.OrderID, &m.Seq, &m.Type, &m.Outcome} },
		func(m movement) { s.applied[m.PaymentNo] = m })
}

func (s *state) readDecided(ctx context.Context, tx *sql.Tx) error {
	return read(ctx, tx, "SELECT payment_no, order_id, seq, type, outcome, reason, account_id, amount_minor, currency FROM payment_numbers",
		func(m *movement) []any {
			return []any{
				&m.PaymentNo, &m.OrderID, &m.Seq, &m.Type, &m.Outcome, &m.Reason,
				&m.Terms.AccountID, &m.Terms.Minor, &m.Terms.Currency,
			}
		},
		func(m movement) { s.decided[m.PaymentNo] = m })
}

func (s *state) readWallets(ctx context.Context, tx *sql.Tx) error {
	fields := func(w *walletRow) []any { return []any{&w.ID, &w.AccountID, &w.Minor, &w.Currency} }
	err := read(ctx, tx, "SELECT id, id, balance_minor, currency FROM accounts", fields,
		func(w walletRow) { s.accounts[w.ID] = w })
	if err != nil {
		return err
	}
	return read(ctx, tx, "SELECT payment_no, account_id, amount_minor, currency FROM entries"+
		" WHERE kind = 'deposit' AND account_id <> '"+outside+"'", fields,
		func(w walletRow) { s.deposits[w.ID] = w })
}

// payloadReadMax is how long, in bytes, a parked payload may be that is asked for its
// payment number; a real message is far below.
const payloadReadMax = "16384"

// readParked reads what waits. A message that was parked as it came has no payment number
// in its row, but often one in its payload.
func (s *state) readParked(ctx context.Context, tx *sql.Tx) error {
	type parkedRow struct {
		State   string
		Payload []byte
		movement
	}
	return read(ctx, tx, "SELECT state, COALESCE(payment_no, ''), COALESCE(order_id, ''), COALESCE(seq, 0),"+
		" CASE WHEN payment_no IS NULL AND LENGTH(payload) <= "+payloadReadMax+" THEN payload ELSE '' END"+
		" FROM parked_messages WHERE state IN ('parked', 'discarded', 'waiting')",
		func(p *parkedRow) []any { return []any{&p.State, &p.PaymentNo, &p.OrderID, &p.Seq, &p.Payload} },
		func(p parkedRow) {
			m := p.movement
			if m.PaymentNo == "" {
				m = movementIn(p.Payload)
			}
			switch {
			case m.PaymentNo == "":
			case p.State == "waiting":
				s.waiting[m.PaymentNo] = m
			default:
				s.parked[m.PaymentNo] = m
			}
		})
}

// movementIn reads what it can of a message that could not be settled.
func movementIn(payload []byte) movement {
	var m struct {
		PaymentNo string `json:"payment_no"`
		OrderID   string `json:"order_id"`
		Seq       int64  `json:"seq"`
	}
	_ = json.Unmarshal(payload, &m) // a field of a wrong type leaves the others; what is no JSON names nothing
	return movement{PaymentNo: m.PaymentNo, OrderID: m.OrderID, Seq: m.Seq}
}

func readKeys(ctx context.Context, tx *sql.Tx, keys map[string]keyRow) error {
	return read(ctx, tx, "SELECT idem_key, result, refusal_code, refusal_detail FROM idempotency_keys",
		func(k *keyRow) []any { return []any{&k.Key, &k.Result, &k.RefusalCode, &k.RefusalDetail} },
		func(k keyRow) {
			if k.Result != "" {
				_ = json.Unmarshal([]byte(k.Result), &k.Answer) // what is no answer is found by checkKeys
			}
			keys[k.Key] = k
		})
}
