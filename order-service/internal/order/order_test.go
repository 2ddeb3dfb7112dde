package order_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"settlement/order-service/internal/order"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

var (
	instructions = []settlement.InstructionType{settlement.Settle, settlement.Refund}
	outcomes     = []settlement.OutcomeType{settlement.Paid, settlement.Declined, settlement.Refunded, settlement.Failed}
)

// accepts and ends are the whole machine; what is not listed is refused.
var accepts = map[order.Status]map[settlement.InstructionType]order.Status{
	order.Created:  {settlement.Settle: order.Settling},
	order.Declined: {settlement.Settle: order.Settling},
	order.Refunded: {settlement.Settle: order.Settling},
	order.Paid:     {settlement.Refund: order.Refunding},
}

var ends = map[order.Status]map[settlement.OutcomeType]order.Status{
	order.Settling:  {settlement.Paid: order.Paid, settlement.Declined: order.Declined, settlement.Failed: order.Failed},
	order.Refunding: {settlement.Refunded: order.Refunded, settlement.Failed: order.Failed},
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
		for _, out := range outcomes {
			want, fits := ends[s][out]
			got, _, ok := s.Ended(out)
			if ok != fits || (ok && got != want) {
				t.Errorf("%s in status %s: %s, %v; want %s, %v", out, s, got, ok, want, fits)
			}
		}
	}
}

// A random life: sequences have no gap, only the answer to the latest instruction is
// applied, and a repeat of it changes nothing.
func TestRandomLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(0, 0).UTC()
		o := order.Order{ID: "o", AccountID: "a", Amount: money.Money{Currency: money.CNY, Minor: 1}, Status: order.Created}
		numbers := []string{"none"}
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "instruct") {
				in := rapid.SampledFrom(instructions).Draw(t, "instruction")
				no := string(rune('A' + step))
				after, message, err := o.Instruct(in, no, now)
				var notAllowed *order.NotAllowedError
				if errors.As(err, &notAllowed) {
					if after != o {
						t.Fatalf("refused %s changed %+v to %+v", in, o, after)
					}
					continue
				}
				if after.Seq != o.Seq+1 || message.Seq != after.Seq || message.PaymentNo != no || after.PaymentNo != no {
					t.Fatalf("%s made %+v of %+v with message %+v", in, after, o, message)
				}
				o, numbers = after, append(numbers, no)
				continue
			}
			out := settlement.Outcome{
				Type:      rapid.SampledFrom(outcomes).Draw(t, "outcome"),
				PaymentNo: rapid.SampledFrom(numbers).Draw(t, "number"),
				Seq:       rapid.Int64Range(0, o.Seq+1).Draw(t, "seq"),
				Amount:    money.Money{Currency: money.CNY, Minor: rapid.Int64Range(1, 2).Draw(t, "minor")},
			}
			after, _, err := o.Apply(out, now)
			if err != nil {
				if after != o {
					t.Fatalf("%+v changed %+v to %+v though it does not fit", out, o, after)
				}
				continue
			}
			if out.PaymentNo != o.PaymentNo || out.Seq != o.Seq || out.Amount != o.Amount {
				t.Fatalf("%+v was applied to %+v", out, o)
			}
			if _, _, err := after.Apply(out, now); err == nil {
				t.Fatalf("%+v was applied twice to %+v", out, o)
			}
			o = after
		}
	})
}
