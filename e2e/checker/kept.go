package checker

import (
	"context"
	"fmt"

	"settlement/e2e/traffic"
	contract "settlement/shared/settlement"
)

// CheckKept returns the messages that their consumer has taken without a trace (L). Call it only
// when all of them are acknowledged: a message that is under way looks lost. Each message must have
// left a row in the database of the service that consumes its topic. Either the service recorded
// what the message says under its number, or it kept the message itself, which then waits for its
// predecessor or for an operator. A message that contradicts the record under its number is no
// repeat, and an operator has to have it.
func (c *Checker) CheckKept(
	ctx context.Context, settlement, outcome, points []traffic.Message,
) ([]Violation, error) {
	var f findings
	err := c.look(ctx, func(s *state) {
		byOrders, byPayments := newKept(s.ordersParked), newKept(s.paymentsParked)
		checkKept(&f, byPayments, settlement, s.instructionIsRecorded)
		checkKept(&f, byOrders, outcome, s.outcomeIsRecorded)
		checkKept(&f, byPayments, points, s.pointsAreRecorded)
	})
	if err != nil {
		return nil, fmt.Errorf("check for messages without a trace: %w", err)
	}
	return f.sorted(), nil
}

// kept is what one service has in parked_messages, in any state. A message is found by its bytes
// or, when it was sent again in other bytes, by its number and place. A row in conflict is found by
// its bytes only: its number belongs to an honest message.
type kept struct {
	payloads map[payload]bool
	claims   map[claim]bool
}

type payload struct{ topic, hash string }

// claim is the number and the place that a message asks for. A repeat asks for the same ones,
// perhaps in other bytes.
type claim struct {
	topic  string
	number string // payment or points number
	key    string // order or customer
	seq    int64
}

func newKept(rows []parkedRow) kept {
	k := kept{payloads: map[payload]bool{}, claims: map[claim]bool{}}
	for _, p := range rows {
		k.payloads[payload{p.Topic, p.Hash}] = true
		if p.Cause != "conflict" && p.PaymentNo != "" {
			k.claims[claim{p.Topic, p.PaymentNo, p.OrderID, p.Seq}] = true
		}
	}
	return k
}

// said is what a message asks for, and how that compares with what is recorded.
type said struct {
	claim
	known bool // something is recorded under its payment number; for points, at its place
	same  bool // the record says the same as the message
}

// checkKept reports each message of a topic that neither a record nor a row of k accounts for.
func checkKept(f *findings, k kept, messages []traffic.Message, recorded func(body []byte) (said, error)) {
	for _, m := range messages {
		is, err := recorded(m.Body)
		is.topic = m.Topic
		asItIs := k.payloads[payload{m.Topic, PayloadHash(m.Body)}]
		if is.same || asItIs || err == nil && !is.known && k.claims[is.claim] {
			continue
		}

		order := is.key
		if m.Topic == contract.TopicPoints {
			order = "" // the key is a customer
		}
		f.add(Lost, "a message was taken, and nothing of it is kept", order, is.number,
			append(place(m), "readable", err == nil, "body", fmt.Sprintf("%.400q", m.Body))...)
	}
}

func (s *state) instructionIsRecorded(body []byte) (said, error) {
	in, err := contract.ParseInstruction(body)
	if err != nil {
		return said{}, err
	}

	is := said{claim: claim{number: in.PaymentNo, key: in.OrderID, seq: in.Seq}}
	d, known := s.decided[in.PaymentNo]
	is.known = known
	is.same = known && d.OrderID == in.OrderID && d.Seq == in.Seq &&
		d.Type == string(in.Type) && d.Terms == termsOf(in)
	return is, nil
}

func (s *state) outcomeIsRecorded(body []byte) (said, error) {
	out, err := contract.ParseOutcome(body)
	if err != nil {
		return said{}, err
	}

	is := said{claim: claim{number: out.PaymentNo, key: out.OrderID, seq: out.Seq}}
	o := s.orders[out.OrderID]
	a, known := s.applied[out.PaymentNo]
	is.known = known
	is.same = known && a.OrderID == out.OrderID && a.Seq == out.Seq && a.Outcome == string(out.Type) &&
		a.Terms.Minor == out.Amount.Minor &&
		o != nil && o.Terms.Currency == string(out.Amount.Currency)
	return is, nil
}

func (s *state) pointsAreRecorded(body []byte) (said, error) {
	change, err := contract.ParsePointsChange(body)
	if err != nil {
		return said{}, err
	}

	is := said{claim: claim{number: change.PointsNo, key: change.CustomerID, seq: change.Seq}}
	p := s.recorded(change)
	is.known = p != nil
	is.same = is.known && p.says(change)
	return is, nil
}
