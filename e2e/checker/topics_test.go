package checker_test

import (
	"fmt"
	"testing"

	"settlement/e2e/checker"
	"settlement/e2e/traffic"
)

// instruction is a message of the topic settlement in queue 3.
func instruction(offset int64, order, no string, seq, minor int) traffic.Message {
	return traffic.Message{
		Topic: "settlement", Queue: 3, Offset: offset, ID: fmt.Sprint("m", offset),
		Key: no, Body: fmt.Appendf(nil,
			`{"version":1,"type":"settle","payment_no":%q,"order_id":%q,"seq":%d,"account_id":%q,"amount":{"currency":"CNY","minor":%d},"requested_at":"2026-01-02T03:04:05Z"}`,
			no, order, seq, payer, minor),
	}
}

// outcome is a message of the topic payment-outcome in queue 3.
func outcome(offset int64, order, no string, seq int, kind string) traffic.Message {
	return traffic.Message{
		Topic: "payment-outcome", Queue: 3, Offset: offset, ID: fmt.Sprint("m", offset),
		Key: no, Body: fmt.Appendf(nil,
			`{"version":1,"type":%q,"payment_no":%q,"order_id":%q,"seq":%d,"amount":{"currency":"CNY","minor":30},"reason":"","occurred_at":"2026-01-02T03:04:05Z"}`,
			kind, no, order, seq),
	}
}

func inQueue(queue int, m traffic.Message) traffic.Message {
	m.Queue = queue
	return m
}

func repeat(m traffic.Message) traffic.Message {
	m.Repeat = true
	return m
}

func messages(m ...traffic.Message) []traffic.Message { return m }

var (
	goodInstruction = instruction(0, paidOrder, first, 1, 30)
	goodOutcome     = outcome(0, paidOrder, first, 1, "paid")
	unreadable      = traffic.Message{Topic: "settlement", Queue: 1, Body: []byte("no JSON")}
)

// refundedTwoSteps gives the paid order a second step: declined to be settled again.
func refundedTwoSteps(b *books) {
	b.decided(paidOrder, second, 2, "settle", "declined")
	b.accepted(paidOrder, second, 2, "settling")
}

// Each pair of topics contradicts the good books.
var badTopics = []struct {
	name                string
	want                want
	put                 func(b *books)
	settlement, outcome []traffic.Message
}{
	{
		"an instruction is missing",
		want{checker.Lost, "accepted, and its instruction is not on the topic", paidOrder, first},
		nil,
		messages(unreadable), messages(goodOutcome),
	},
	{
		"an instruction is there as a foreign repeat only",
		want{checker.Lost, "accepted, and its instruction is not on the topic", paidOrder, first},
		nil,
		messages(repeat(goodInstruction)), messages(goodOutcome),
	},
	{
		"an instruction of another amount",
		want{checker.All, "an instruction on the topic is not the one accepted", paidOrder, first},
		nil,
		messages(goodInstruction, instruction(1, paidOrder, first, 1, 31)), messages(goodOutcome),
	},
	{
		"a copy in another queue",
		want{checker.Order, "an order's messages are in two queues", paidOrder, first},
		nil,
		messages(goodInstruction, inQueue(4, goodInstruction)), messages(goodOutcome),
	},
	{
		"an instruction before its predecessor",
		want{checker.Order, "a message is behind its successor", paidOrder, first},
		refundedTwoSteps,
		messages(instruction(7, paidOrder, first, 1, 30), instruction(6, paidOrder, second, 2, 30)),
		messages(goodOutcome, outcome(1, paidOrder, second, 2, "declined")),
	},
	{
		"an outcome is missing",
		want{checker.All, "decided, and its outcome is not on the topic", paidOrder, first},
		nil,
		messages(goodInstruction), nil,
	},
	{
		"an outcome says something else",
		want{checker.All, "an outcome on the topic is not the one recorded", paidOrder, first},
		nil,
		messages(goodInstruction), messages(goodOutcome, outcome(1, paidOrder, first, 1, "declined")),
	},
	{
		"an outcome of what was never decided",
		want{checker.All, "an outcome was sent of a payment number that is not recorded", newOrder, second},
		nil,
		messages(goodInstruction), messages(goodOutcome, outcome(1, newOrder, second, 1, "paid")),
	},
	{
		"an outcome in another queue",
		want{checker.Order, "an order's messages are in two queues", paidOrder, first},
		nil,
		messages(goodInstruction), messages(goodOutcome, inQueue(5, goodOutcome)),
	},
	{
		"an outcome before its predecessor",
		want{checker.Order, "a message is behind its successor", paidOrder, first},
		refundedTwoSteps,
		messages(goodInstruction, instruction(1, paidOrder, second, 2, 30)),
		messages(outcome(4, paidOrder, second, 2, "declined"), outcome(5, paidOrder, first, 1, "paid")),
	},
}

func TestEachContradictionOfTheTopicsIsSeen(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		for _, bad := range badTopics {
			b.good()
			if bad.put != nil {
				bad.put(b)
			}

			found, err := c.CheckTopics(t.Context(), bad.settlement, bad.outcome)
			bad.want.in(t, bad.name, found, err)
		}
	})
}

func TestTopicsThatAgree(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		found, err := c.CheckTopics(t.Context(), messages(goodInstruction), messages(goodOutcome))
		wantNone(t, "one message each", found, err)

		refundedTwoSteps(b)
		b.decided(foreign, third, 1, "settle", "declined")
		found, err = c.CheckTopics(t.Context(),
			messages(goodInstruction, unreadable, instruction(1, paidOrder, second, 2, 30),
				instruction(2, paidOrder, first, 1, 30),
				instruction(3, foreign, third, 1, 5), instruction(4, paidOrder, third, 3, 30),
				inQueue(4, repeat(goodInstruction))),
			messages(goodOutcome, unreadable, outcome(1, paidOrder, second, 2, "declined"),
				outcome(2, paidOrder, first, 1, "paid"),
				outcome(3, foreign, third, 1, "declined"), outcome(4, foreign, deposit, 9, "paid")))
		wantNone(t, "repeats behind newer ones, and foreign messages", found, err)
	})
}
