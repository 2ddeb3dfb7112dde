package checker

// orderRow is a row of orders.
type orderRow struct {
	ID, Status, PaymentNo, Reason string
	Seq                           int64
	Terms                         terms
	CustomerID                    string
	Refunded, Asked               int64 // in minor units; Asked is what the latest instruction asks for
	// Payment number of a settle that has no outcome yet and that a refund follows.
	CancelledNo string
}

// customerRow is a row of customers, or of points_balances. There, Seq is the last sequence that
// took effect.
type customerRow struct {
	ID          string
	Seq, Points int64
}

// pointsRow is a row of points_history. For a change that waits, only CustomerID and Seq are set.
type pointsRow struct {
	CustomerID, PointsNo, Type, Reason string
	Seq, Change, Points                int64
}

// underWay is the number of the order's instructions that have no outcome yet. The latest is one of
// them, if there are any.
func (o *orderRow) underWay() int64 {
	switch {
	case o.CancelledNo != "":
		return 2
	case o.Status == "settling", o.Status == "refunding", o.Status == "cancelling":
		return 1
	}
	return 0
}

// terms say which account pays how much. A refund is on the terms of its order, or on a part of the
// amount.
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

	// Only payment-service has the fields below, except for the amount of the terms.
	ID     uint64
	Reason string
	Terms  terms
	At     string // created_at
}

// fits reports whether a movement is on the terms of its order, or refunds a part of the amount.
func (m *movement) fits(order terms) bool {
	part := m.Type == "refund" && m.Terms.Minor > 0 && m.Terms.Minor < order.Minor
	if part {
		order.Minor = m.Terms.Minor
	}
	return m.Terms == order
}

// leaves returns how much of an order is paid and not refunded after the movement; left is how much
// before it.
func (m *movement) leaves(left int64) int64 {
	switch m.Outcome {
	case "paid":
		return m.Terms.Minor
	case "refunded":
		return left - m.Terms.Minor
	}
	return left
}

// walletRow is a row of accounts.
type walletRow struct {
	ID       string
	Minor    int64
	Currency string
	At       string // created_at
}

// entryRow is a row of entries.
type entryRow struct {
	PaymentNo, AccountID string
	Minor                int64
	Currency, Kind       string
	At                   string // created_at
}

// outboxRow is a message that was not sent.
type outboxRow struct {
	ID, Topic, OrderID, PaymentNo, At string
}

// parkedRow is a row of parked_messages; the movement is empty when it was parked as it came.
type parkedRow struct {
	ID, State, Cause, Topic string
	Attempts                int
	Hash                    string // PayloadHash
	Payload                 []byte
	movement
}

// notice counts the channels on which a parked message was told, and those on which it still has to
// be.
type notice struct {
	ParkedID      string
	Told, Waiting int
	LastError     string
}

// keyRow is a row of idempotency_keys: the answer under a key, or the refusal.
type keyRow struct {
	Key, Result, RefusalCode, RefusalDetail string
	Answer                                  *answer // zero for a refusal, or when it cannot be read
}

// answer is what the checker reads of a remembered answer. Fields that the answer lacks are empty:
// only an order has a CustomerID, only an accepted instruction has an OrderID and no State, only a
// deposit has a DepositNo, only a wallet has an Owner.
type answer struct {
	ID, CustomerID, OrderID, PaymentNo, DepositNo, AccountID, Owner, State, Status string

	Seq    int64
	Amount struct {
		Currency string
		Minor    int64
	}
}

func (a *answer) isOrder() bool    { return a.CustomerID != "" && a.ID != "" }
func (a *answer) isAccepted() bool { return a.PaymentNo != "" && a.CustomerID == "" && a.State == "" }
func (a *answer) isDeposit() bool  { return a.DepositNo != "" }
func (a *answer) isWallet() bool   { return a.Owner != "" }
