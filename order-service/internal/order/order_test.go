package order_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"settlement/order-service/internal/order"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

var (
	instructions = []settlement.InstructionType{settlement.Settle, settlement.Refund}
	outcomes     = []settlement.OutcomeType{
		settlement.Paid, settlement.Declined, settlement.Refunded, settlement.Failed,
	}
	now = time.Unix(0, 0).UTC()
)

// accepts and ends are the whole machine; what is not listed is refused.
var accepts = map[order.Status]map[settlement.InstructionType]order.Status{
	order.Created:  {settlement.Settle: order.Settling},
	order.Declined: {settlement.Settle: order.Settling},
	order.Refunded: {settlement.Settle: order.Settling},
	order.Settling: {settlement.Refund: order.Cancelling},
	order.Paid:     {settlement.Refund: order.Refunding},
}

type ending struct {
	of    settlement.InstructionType
	out   settlement.OutcomeType
	whole bool
}

// whatever returns one ending twice: once when the whole amount is refunded with it, once when it
// is not.
func whatever(
	of settlement.InstructionType, out settlement.OutcomeType, next order.Status,
) map[ending]order.Status {
	return map[ending]order.Status{{of, out, true}: next, {of, out, false}: next}
}

func union(all ...map[ending]order.Status) map[ending]order.Status {
	u := map[ending]order.Status{}
	for _, m := range all {
		for k, v := range m {
			u[k] = v
		}
	}
	return u
}

var ends = map[order.Status]map[ending]order.Status{
	order.Settling: union(
		whatever(settlement.Settle, settlement.Paid, order.Paid),
		whatever(settlement.Settle, settlement.Declined, order.Declined),
		whatever(settlement.Settle, settlement.Failed, order.Failed)),
	order.Cancelling: union(
		whatever(settlement.Settle, settlement.Paid, order.Refunding),
		whatever(settlement.Settle, settlement.Declined, order.Cancelling),
		whatever(settlement.Settle, settlement.Failed, order.Cancelling),
		whatever(settlement.Refund, settlement.Failed, order.Declined)),
	order.Refunding: union(
		map[ending]order.Status{
			{settlement.Refund, settlement.Refunded, true}:  order.Refunded,
			{settlement.Refund, settlement.Refunded, false}: order.Paid,
		},
		whatever(settlement.Refund, settlement.Failed, order.Paid)),
}

func TestEveryStatusMeetsEveryInstruction(t *testing.T) {
	for _, s := range order.Statuses() {
		for _, in := range instructions {
			want, allowed := accepts[s][in]
			got, ok := s.Next(in)
			if ok != allowed || (ok && got != want) {
				t.Errorf("%s in status %s: %s, %v; want %s, %v", in, s, got, ok, want, allowed)
			}
		}
	}
}

func TestEveryStatusMeetsEveryOutcome(t *testing.T) {
	for _, s := range order.Statuses() {
		for _, of := range instructions {
			for _, out := range outcomes {
				for _, whole := range []bool{true, false} {
					want, fits := ends[s][ending{of, out, whole}]
					got, ok := s.Ended(of, out, whole)
					if ok != fits || (ok && got != want) {
						t.Errorf("%s of a %s (whole: %v) in status %s: %s, %v; want %s, %v",
							out, of, whole, s, got, ok, want, fits)
					}
				}
			}
		}
	}
}

func cny(minor int64) money.Money { return money.Money{Currency: money.CNY, Minor: minor} }

func newOrder(minor int64) order.Order {
	return order.Order{ID: "o", AccountID: "a", Amount: cny(minor), Refunded: cny(0), Status: order.Created}
}

// life plays steps of an order's life and keeps what was asked, so that an answer can be made for
// it.
type life struct {
	t     *testing.T
	order order.Order
	asked []settlement.Instruction
}

func (l *life) settle() *life { l.t.Helper(); return l.took(l.order.Settle(l.no(), now)) }

func (l *life) refund(amount *money.Money) *life {
	l.t.Helper()
	return l.took(l.order.Refund(amount, l.no(), now))
}

func (l *life) no() string { return fmt.Sprint("number ", len(l.asked)+1) }

func (l *life) took(after order.Order, in settlement.Instruction, err error) *life {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
	l.order, l.asked = after, append(l.asked, in)
	return l
}

// answer is the outcome of the n-th instruction, from 1.
func (l *life) answer(n int, t settlement.OutcomeType, reason string) settlement.Outcome {
	in := l.asked[n-1]
	return settlement.Outcome{
		Type: t, PaymentNo: in.PaymentNo, OrderID: in.OrderID, Seq: in.Seq, Amount: in.Amount, Reason: reason,
	}
}

func (l *life) ends(n int, t settlement.OutcomeType, reason string) *life {
	l.t.Helper()
	out := l.answer(n, t, reason)
	if l.order.Ahead(out) {
		l.t.Fatalf("the outcome of instruction %d is ahead of %+v", n, l.order)
	}
	after, of, err := l.order.Apply(out, now)
	if err != nil {
		l.t.Fatal(err)
	}
	if of != l.asked[n-1].Type {
		l.t.Fatalf("instruction %d is said to be a %s", n, of)
	}
	l.order = after
	return l
}

func (l *life) is(s order.Status, reason string, refunded int64) *life {
	l.t.Helper()
	if l.order.Status != s || l.order.Reason != reason || l.order.Refunded != cny(refunded) {
		l.t.Fatalf("%s (%s), refunded %s; want %s (%s), %s", l.order.Status,
			l.order.Reason, l.order.Refunded, s, reason, cny(refunded))
	}
	return l
}

func TestACancelledOrderEnds(t *testing.T) {
	cancelled := func(t *testing.T) *life {
		t.Helper()
		return (&life{t: t, order: newOrder(10)}).settle().refund(nil).is(order.Cancelling, "", 0)
	}

	t.Run("paid, then refunded", func(t *testing.T) {
		cancelled(t).ends(1, settlement.Paid, "").is(order.Refunding, "", 0).ends(2, settlement.Refunded, "").
			is(order.Refunded, "", 10)
	})
	t.Run("paid, and the refund given up", func(t *testing.T) {
		cancelled(t).ends(1, settlement.Paid, "").ends(2, settlement.Failed, "discarded").
			is(order.Paid, "discarded", 0).
			refund(nil).ends(3, settlement.Refunded, "").is(order.Refunded, "", 10)
	})
	t.Run("declined, then nothing to refund", func(t *testing.T) {
		cancelled(t).ends(1, settlement.Declined, "insufficient_funds").
			is(order.Cancelling, "insufficient_funds", 0).
			ends(2, settlement.Failed, "nothing_to_refund").is(order.Declined, "insufficient_funds", 0).
			settle().ends(3, settlement.Paid, "").is(order.Paid, "", 0)
	})
	t.Run("the settle given up, then nothing to refund", func(t *testing.T) {
		cancelled(t).ends(1, settlement.Failed, "discarded").ends(2, settlement.Failed, "nothing_to_refund").
			is(order.Declined, "discarded", 0)
	})
	t.Run("the refund's outcome waits for the settle's", func(t *testing.T) {
		l := cancelled(t)
		early := l.answer(2, settlement.Failed, "nothing_to_refund")
		if !l.order.Ahead(early) {
			t.Error("the second outcome is taken before the first")
		}
		if _, _, err := l.order.Apply(early, now); err == nil {
			t.Error("the second outcome was applied before the first")
		}

		l.ends(1, settlement.Declined, "insufficient_funds")
		if l.order.Ahead(early) {
			t.Error("the second outcome still waits after the first")
		}
	})
	t.Run("the settle was not paid, so that nothing can have been refunded", func(t *testing.T) {
		l := cancelled(t).ends(1, settlement.Declined, "insufficient_funds")
		if _, _, err := l.order.Apply(l.answer(2, settlement.Refunded, ""), now); err == nil {
			t.Error("a refund of nothing was applied")
		}
	})
}

func TestPartsAreRefundedUpToTheTotal(t *testing.T) {
	part := func(minor int64) *money.Money { m := cny(minor); return &m }
	l := (&life{t: t, order: newOrder(10)}).settle().ends(1, settlement.Paid, "")
	l.refund(part(3)).is(order.Refunding, "", 0).ends(2, settlement.Refunded, "").is(order.Paid, "", 3)
	l.refund(part(3)).ends(3, settlement.Failed, "discarded").is(order.Paid, "discarded", 3)

	for name, amount := range map[string]money.Money{
		"too much": cny(8), "another currency": {Currency: money.USD, Minor: 1},
	} {
		var refused *order.RefundAmountError
		after, _, err := l.order.Refund(&amount, "X", now)
		if !errors.As(err, &refused) || after != l.order || refused.Left != cny(7) {
			t.Errorf("%s: %+v, %v", name, after, err)
		}
		if text := fmt.Sprint(err); !strings.Contains(text, "0.07 CNY") ||
			!strings.Contains(text, amount.String()) {
			t.Errorf("%s: %q does not say what is left and what was asked for", name, text)
		}
	}

	l.refund(nil)
	if asked := l.asked[3].Amount; asked != cny(7) {
		t.Errorf("the rest is %s, want %s", asked, cny(7))
	}
	l.ends(4, settlement.Refunded, "").is(order.Refunded, "", 10)
	l.settle().is(order.Settling, "", 0)

	var refused *order.RefundAmountError
	if _, _, err := l.order.Refund(part(3), "X", now); !errors.As(err, &refused) ||
		!strings.Contains(err.Error(), "only when it is paid") {
		t.Errorf("a part of what is not paid yet: %v, want a refusal that says from when on", err)
	}
	if _, _, err := l.order.Refund(part(11), "X", now); !errors.As(err, &refused) ||
		strings.Contains(err.Error(), "only when it is paid") {
		t.Errorf("more than will be paid: %v, want a refusal that promises nothing", err)
	}
}

// In a random life of an order, sequences have no gap, outcomes are applied in sequence and each
// once, and no more is refunded than was paid.
func TestRandomLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOrder(5)
		numbers, answered := []string{"none"}, map[string]bool{}
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "instruct") {
				no := string(rune('A' + step))
				after, message, err := o.Settle(no, now)
				if rapid.Bool().Draw(t, "refund") {
					after, message, err = o.Refund(rapid.SampledFrom([]*money.Money{
						nil, {Currency: money.CNY, Minor: 2},
					}).Draw(t, "part"), no, now)
				}
				if err != nil {
					if after != o {
						t.Fatalf("refused, and changed %+v to %+v: %v", o, after, err)
					}
					continue
				}
				if after.Seq != o.Seq+1 || message.Seq != after.Seq || message.PaymentNo != no ||
					after.PaymentNo != no {
					t.Fatalf("made %+v of %+v with message %+v", after, o, message)
				}
				o, numbers = after, append(numbers, no)
				continue
			}

			out := settlement.Outcome{
				Type:      rapid.SampledFrom(outcomes).Draw(t, "outcome"),
				PaymentNo: rapid.SampledFrom(numbers).Draw(t, "number"),
				Seq:       rapid.Int64Range(0, o.Seq+1).Draw(t, "seq"),
				Amount:    cny(rapid.SampledFrom([]int64{1, 2, 3, 5}).Draw(t, "minor")),
			}

			after, _, err := o.Apply(out, now)
			if err != nil {
				if after != o {
					t.Fatalf("%+v changed %+v to %+v though it does not fit", out, o, after)
				}
				continue
			}

			switch {
			case answered[out.PaymentNo], out.Seq < o.Seq-1, out.Seq == o.Seq && o.CancelledNo != "":
				t.Fatalf("%+v was applied to %+v", out, o)
			case after.Refunded.Minor > after.Amount.Minor ||
				(after.Status == order.Refunded) != (after.Refunded == after.Amount):
				t.Fatalf("%+v made %+v of %+v", out, after, o)
			}

			answered[out.PaymentNo] = true
			o = after
		}
	})
}
