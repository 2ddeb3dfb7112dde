package payment

import (
	"fmt"
	"time"

	"settlement/payment-service/internal/fence"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

// Ledger is what a batch of instructions is decided on: the locked rows, read into
// memory. Apply changes it, so that each instruction sees the ones before it.
type Ledger struct {
	LastSeq  map[string]int64       // by order id; 0 for a new order
	Balance  map[string]money.Money // by account id; an account that is missing is unknown
	Standing map[string]Standing    // by order id: the payment that is not refunded, or only in part
}

// Standing is what an order has paid and not got back.
type Standing struct {
	AccountID string
	Left      money.Money
}

// Fence compares the instruction's sequence with the order's progress.
func (l *Ledger) Fence(in settlement.Instruction) fence.Verdict {
	return fence.Compare(in.Seq, l.LastSeq[in.OrderID])
}

// Apply decides an instruction that is due and carries it out on the ledger. An error
// means that the books themselves are wrong, not the instruction.
func (l *Ledger) Apply(in settlement.Instruction, now time.Time) (Movement, error) {
	m := Movement{
		PaymentNo: in.PaymentNo, OrderID: in.OrderID, Seq: in.Seq, Type: in.Type,
		AccountID: in.AccountID, Amount: in.Amount, CreatedAt: now,
	}

	if in.Type == settlement.Refund {
		m.Outcome, m.Reason = l.decideRefund(in)
	} else {
		m.Outcome, m.Reason = l.decideSettle(in)
	}

	if err := l.carryOut(m); err != nil {
		return Movement{}, fmt.Errorf("payment %s of order %s: %w", in.PaymentNo, in.OrderID, err)
	}
	l.LastSeq[in.OrderID] = in.Seq
	return m, nil
}

// GiveUp decides an instruction that is due as failed, because an operator gave it up. It moves no
// money.
func (l *Ledger) GiveUp(in settlement.Instruction, now time.Time) Movement {
	l.LastSeq[in.OrderID] = in.Seq
	return Movement{
		PaymentNo: in.PaymentNo, OrderID: in.OrderID, Seq: in.Seq, Type: in.Type, Outcome: settlement.Failed,
		Reason:    ReasonDiscarded,
		AccountID: in.AccountID, Amount: in.Amount, CreatedAt: now,
	}
}

func (l *Ledger) decideSettle(in settlement.Instruction) (settlement.OutcomeType, string) {
	balance, known := l.Balance[in.AccountID]
	_, paid := l.Standing[in.OrderID]
	switch {
	case paid:
		return settlement.Declined, ReasonAlreadyPaid
	case !known:
		return settlement.Declined, ReasonUnknownAccount
	case balance.Currency != in.Amount.Currency:
		return settlement.Declined, ReasonCurrencyMismatch
	case balance.Minor < in.Amount.Minor:
		return settlement.Declined, ReasonInsufficientFunds
	}
	return settlement.Paid, ""
}

func (l *Ledger) decideRefund(in settlement.Instruction) (settlement.OutcomeType, string) {
	paid, ok := l.Standing[in.OrderID]
	switch {
	case !ok:
		return settlement.Failed, ReasonNothingToRefund
	case paid.AccountID != in.AccountID || paid.Left.Currency != in.Amount.Currency ||
		paid.Left.Minor < in.Amount.Minor:
		return settlement.Failed, ReasonRefundMismatch
	}
	return settlement.Refunded, ""
}

func (l *Ledger) carryOut(m Movement) error {
	for _, e := range m.Entries() {
		if e.AccountID == MerchantID {
			continue
		}
		after, err := l.Balance[e.AccountID].Add(e.Amount)
		if err != nil {
			return err
		}
		l.Balance[e.AccountID] = after
	}
	l.Note(m)
	return nil
}

// Note updates what stands of an order after m. m comes after every movement of the order that was
// noted before.
func (l *Ledger) Note(m Movement) {
	switch m.Outcome {
	case settlement.Paid:
		l.Standing[m.OrderID] = Standing{AccountID: m.AccountID, Left: m.Amount}
	case settlement.Refunded:
		standing := l.Standing[m.OrderID]
		if standing.Left.Minor -= m.Amount.Minor; standing.Left.Minor > 0 {
			l.Standing[m.OrderID] = standing
		} else {
			delete(l.Standing, m.OrderID)
		}
	case settlement.Declined, settlement.Failed:
	}
}
