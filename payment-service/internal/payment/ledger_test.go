package payment_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"settlement/payment-service/internal/fence"
	"settlement/payment-service/internal/payment"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

var now = time.Unix(0, 0).UTC()

func newLedger(balances map[string]money.Money) *payment.Ledger {
	return &payment.Ledger{
		LastSeq: map[string]int64{}, Balance: balances, Standing: map[string]payment.Standing{},
	}
}

func cny(minor int64) money.Money { return money.Money{Currency: money.CNY, Minor: minor} }

func instruct(
	t settlement.InstructionType, order string, seq int64, account string, amount money.Money,
) settlement.Instruction {
	return settlement.Instruction{
		Version: settlement.Version, Type: t, PaymentNo: fmt.Sprintf("%s-%d", order, seq), OrderID: order,
		Seq:       seq,
		AccountID: account, Amount: amount, RequestedAt: now,
	}
}

func TestDecisions(t *testing.T) {
	paid := instruct(settlement.Settle, "paid", 1, "a", cny(30))
	for name, c := range map[string]struct {
		in      settlement.Instruction
		outcome settlement.OutcomeType
		reason  string
		balance int64 // of account a afterwards; before the instruction it held 100 and paid 30
	}{
		"enough": {
			instruct(settlement.Settle, "o", 1, "a", cny(70)), settlement.Paid, "", 0,
		},
		"one too much": {
			instruct(settlement.Settle, "o", 1, "a", cny(71)), settlement.Declined,
			payment.ReasonInsufficientFunds, 70,
		},
		"unknown account": {
			instruct(settlement.Settle, "o", 1, "b", cny(1)), settlement.Declined,
			payment.ReasonUnknownAccount, 70,
		},
		"merchant as payer": {
			instruct(settlement.Settle, "o", 1, payment.MerchantID, cny(1)), settlement.Declined,
			payment.ReasonUnknownAccount, 70,
		},
		"foreign currency": {
			instruct(settlement.Settle, "o", 1, "a",
				money.Money{Currency: money.USD, Minor: 1}), settlement.Declined,
			payment.ReasonCurrencyMismatch,
			70,
		},
		"paid already": {
			instruct(settlement.Settle, "paid", 2, "a", cny(30)), settlement.Declined,
			payment.ReasonAlreadyPaid, 70,
		},
		"refund": {
			instruct(settlement.Refund, "paid", 2, "a", cny(30)), settlement.Refunded, "", 100,
		},
		"refund of nothing": {
			instruct(settlement.Refund, "o", 1, "a", cny(30)), settlement.Failed,
			payment.ReasonNothingToRefund, 70,
		},
		"refund of a part": {
			instruct(settlement.Refund, "paid", 2, "a", cny(29)), settlement.Refunded, "", 99,
		},
		"refund of more": {
			instruct(settlement.Refund, "paid", 2, "a", cny(31)), settlement.Failed,
			payment.ReasonRefundMismatch, 70,
		},
		"refund in other money": {instruct(settlement.Refund, "paid", 2, "a",
			money.Money{Currency: money.USD, Minor: 1}), settlement.Failed, payment.ReasonRefundMismatch, 70},
		"refund to somebody else": {
			instruct(settlement.Refund, "paid", 2, "b", cny(30)), settlement.Failed,
			payment.ReasonRefundMismatch, 70,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(map[string]money.Money{"a": cny(100)})
			if m, err := l.Apply(paid, now); err != nil || m.Outcome != settlement.Paid {
				t.Fatalf("first payment: %+v, %v", m, err)
			}

			m, err := l.Apply(c.in, now)
			if err != nil {
				t.Fatal(err)
			}

			if m.Outcome != c.outcome || m.Reason != c.reason {
				t.Errorf("outcome %s (%s), want %s (%s)", m.Outcome, m.Reason, c.outcome, c.reason)
			}
			if got := l.Balance["a"].Minor; got != c.balance {
				t.Errorf("balance %d, want %d", got, c.balance)
			}
			if l.LastSeq[c.in.OrderID] != c.in.Seq {
				t.Errorf("a decided instruction has to move the order's progress, also when it is declined")
			}
		})
	}
}

func TestPartsAreRefundedUpToWhatWasPaid(t *testing.T) {
	l := newLedger(map[string]money.Money{"a": cny(100)})

	for i, step := range []struct {
		in      settlement.InstructionType
		minor   int64
		outcome settlement.OutcomeType
		balance int64
	}{
		{settlement.Settle, 30, settlement.Paid, 70},
		{settlement.Refund, 10, settlement.Refunded, 80},
		{settlement.Refund, 21, settlement.Failed, 80},
		{settlement.Settle, 30, settlement.Declined, 80}, // it is still paid in part
		{settlement.Refund, 20, settlement.Refunded, 100},
		{settlement.Refund, 1, settlement.Failed, 100},
		{settlement.Settle, 30, settlement.Paid, 70},
		{settlement.Refund, 30, settlement.Refunded, 100},
	} {
		m, err := l.Apply(instruct(step.in, "o", int64(i+1), "a", cny(step.minor)), now)
		if err != nil || m.Outcome != step.outcome || l.Balance["a"].Minor != step.balance {
			t.Fatalf("step %d: %+v (%v), balance %s; want %s, %d", i+
				1, m, err, l.Balance["a"], step.outcome, step.balance)
		}
	}
}

// Whatever instructions come in whatever order, entries sum to zero, no wallet goes below zero, and
// money is neither made nor lost.
func TestMoneyIsConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		accounts := []string{"a", "b", "c"}
		l := newLedger(map[string]money.Money{
			"a": cny(100), "b": cny(5), "c": {Currency: money.JPY, Minor: 50},
		})
		merchant := map[money.Currency]int64{}

		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			in := instruct(
				rapid.SampledFrom([]settlement.InstructionType{settlement.Settle, settlement.Refund}).
					Draw(t, "type"),
				rapid.SampledFrom([]string{"o1", "o2", "o3"}).Draw(t, "order"),
				rapid.Int64Range(1, 12).Draw(t, "seq"),
				rapid.SampledFrom(append(accounts, "nobody")).Draw(t, "account"),
				money.Money{
					Currency: rapid.SampledFrom([]money.Currency{money.CNY, money.JPY}).Draw(t, "currency"),
					Minor:    rapid.Int64Range(1, 60).Draw(t, "minor"),
				},
			)
			if l.Fence(in) != fence.Due {
				continue
			}

			m, err := l.Apply(in, now)
			if err != nil {
				t.Fatal(err)
			}

			var sum int64
			for _, e := range m.Entries() {
				sum += e.Amount.Minor
				if e.AccountID == payment.MerchantID {
					merchant[e.Amount.Currency] += e.Amount.Minor
				}
			}
			if sum != 0 {
				t.Fatalf("entries of %+v sum to %d", m, sum)
			}

			if l.Balance["a"].Minor+l.Balance["b"].Minor+merchant[money.CNY] != 105 ||
				l.Balance["c"].Minor+merchant[money.JPY] != 50 {
				t.Fatalf("after %+v the books hold %v and the merchant %v", m, l.Balance, merchant)
			}
			for id, balance := range l.Balance {
				if balance.Minor < 0 {
					t.Fatalf("account %s has %v after %+v", id, balance, m)
				}
			}
		}
	})
}
