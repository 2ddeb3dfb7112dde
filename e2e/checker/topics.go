package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"settlement/e2e/traffic"
	contract "settlement/shared/settlement"
)

// CheckTopics compares all messages of the two topics with both databases. Every accepted
// instruction has to be on the one (L), the outcome of every decided number on the other (A), and
// each copy has to say what the database says (A). The messages of one order are in one queue, and
// their first copies are in the order's sequence (O).
//
// Messages that cannot be read are left aside. So are instructions that order-service never gave,
// and undecided outcomes of orders that it does not have: others may publish too.
func (c *Checker) CheckTopics(
	ctx context.Context, settlement, outcome []traffic.Message,
) ([]Violation, error) {
	var f findings
	err := c.look(ctx, func(s *state) {
		s.checkInstructions(&f, inOrder(settlement))
		s.checkOutcomes(&f, inOrder(outcome))
	})
	if err != nil {
		return nil, fmt.Errorf("check topics: %w", err)
	}
	return f.sorted(), nil
}

func inOrder(messages []traffic.Message) []traffic.Message {
	return slices.SortedFunc(slices.Values(messages), func(a, b traffic.Message) int {
		return cmp.Or(cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Offset, b.Offset))
	})
}

func (s *state) checkInstructions(f *findings, messages []traffic.Message) {
	t := newTrail()
	for _, m := range messages {
		in, err := contract.ParseInstruction(m.Body)
		o, ours := s.orders[in.OrderID]
		a, known := s.accepted[in.PaymentNo]
		if err != nil || !ours || !known || a.OrderID != in.OrderID {
			continue
		}

		sent := movement{Type: string(in.Type), Terms: termsOf(in)}
		d, isDecided := s.decided[in.PaymentNo]
		if in.Seq != a.Seq || !sent.fits(o.Terms) || in.Type != typeOf[a.Status] ||
			isDecided && d.Terms != sent.Terms {
			f.add(All, "an instruction on the topic is not the one accepted", in.OrderID, in.PaymentNo,
				append(place(m), "body", string(m.Body), "accepted.seq", a.Seq, "accepted.status", a.Status,
					"orders", o.Terms)...)
		}
		t.pass(f, m, in.OrderID, in.PaymentNo, in.Seq)
	}

	for no, a := range s.accepted {
		if o, ours := s.orders[a.OrderID]; ours && !t.seen[no] {
			f.add(Lost, "accepted, and its instruction is not on the topic",
				a.OrderID, no, "seq", a.Seq, "orders.status", o.Status)
		}
	}
}

func termsOf(in contract.Instruction) terms {
	return terms{AccountID: in.AccountID, Minor: in.Amount.Minor, Currency: string(in.Amount.Currency)}
}

// typeOf is the instruction that brings an order into a status.
var typeOf = map[string]contract.InstructionType{
	"settling": contract.Settle, "refunding": contract.Refund, "cancelling": contract.Refund,
}

func (s *state) checkOutcomes(f *findings, messages []traffic.Message) {
	t := newTrail()
	for _, m := range messages {
		out, err := contract.ParseOutcome(m.Body)
		if err != nil {
			continue
		}

		d, isDecided := s.decided[out.PaymentNo]
		_, ours := s.orders[out.OrderID]
		switch {
		case !isDecided && ours:
			f.add(All, "an outcome was sent of a payment number that is not recorded",
				out.OrderID, out.PaymentNo,
				append(place(m), "body", string(m.Body))...)
			continue
		case !isDecided:
			continue
		case out.OrderID != d.OrderID || out.Seq != d.Seq || string(out.Type) != d.Outcome ||
			out.Reason != d.Reason ||
			out.Amount.Minor != d.Terms.Minor || string(out.Amount.Currency) != d.Terms.Currency:
			f.add(All, "an outcome on the topic is not the one recorded", d.OrderID, d.PaymentNo,
				append(place(m), "body", string(m.Body),
					"payment_numbers.seq", d.Seq, "payment_numbers.outcome", d.Outcome,
					"payment_numbers.reason",
					d.Reason, "payment_numbers", d.Terms)...)
		}

		t.pass(f, m, d.OrderID, d.PaymentNo, d.Seq)
	}

	for no, d := range s.decided {
		if !t.seen[no] {
			f.add(All, "decided, and its outcome is not on the topic",
				d.OrderID, no, "seq", d.Seq, "outcome", d.Outcome)
		}
	}
}

func place(m traffic.Message) []any {
	return []any{"topic", m.Topic, "queue", m.Queue, "offset", m.Offset, "message_id", m.ID}
}

// trail follows the orders through one topic, by queue and offset.
type trail struct {
	seen map[string]bool            // payment numbers
	last map[string]traffic.Message // by order: its last message, copies left out
	seq  map[string]int64           // by order: the sequence of its last message
}

func newTrail() *trail {
	return &trail{seen: map[string]bool{}, last: map[string]traffic.Message{}, seq: map[string]int64{}}
}

// pass takes the next message. A copy may come at any time after the first message, in its queue. A
// message that a Repeater has published says nothing about its sender.
func (t *trail) pass(f *findings, m traffic.Message, orderID, no string, seq int64) {
	if m.Repeat {
		return
	}

	before, known := t.last[orderID]
	if known && before.Queue != m.Queue {
		f.add(Order, "an order's messages are in two queues", orderID, no,
			append(place(m), "other_queue", before.Queue)...)
		t.seen[no] = true
		return
	}

	if t.seen[no] {
		return
	}
	t.seen[no] = true
	if known && seq < t.seq[orderID] {
		f.add(Order, "a message is behind its successor", orderID, no,
			append(place(m), "seq", seq, "successor_seq", t.seq[orderID], "successor_offset",
				before.Offset)...)
		return
	}
	t.last[orderID], t.seq[orderID] = m, seq
}
