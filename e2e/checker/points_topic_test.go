package checker_test

import (
	"fmt"
	"testing"

	"settlement/e2e/checker"
	"settlement/e2e/traffic"
)

const (
	firstChange  = "0198f1a2-0000-7000-8000-0000000000e1"
	secondChange = "0198f1a2-0000-7000-8000-0000000000e2"
)

// change is a message of the topic points in queue 3.
func change(offset int64, no string, seq int, kind string, points int, reason string) traffic.Message {
	return traffic.Message{
		Topic: "points", Queue: 3, Offset: offset, ID: fmt.Sprint("m", offset), Key: no,
		ShardingKey: collector, Tag: kind,
		Body: fmt.Appendf(nil,
			`{"version":1,"type":%q,"points_no":%q,"customer_id":%q,"seq":%d,"points":%d,"reason":%q,"occurred_at":"2026-01-02T03:04:05Z"}`,
			kind, no, collector, seq, points, reason),
	}
}

func under(key, shardingKey string, m traffic.Message) traffic.Message {
	m.Key, m.ShardingKey = key, shardingKey
	return m
}

var (
	goodFirst  = change(0, firstChange, 1, "set", 10, "registered")
	goodSecond = change(1, secondChange, 2, "add", 2, "order_paid")
)

// Each contradicts the books of a customer who has registered, and whose order was paid.
var badPointsTopics = []struct {
	name     string
	want     want
	messages []traffic.Message
}{
	{
		"a change is missing",
		want{checker.Lost, "a change of points is not on the topic", "", ""},
		messages(goodFirst, unreadable),
	},
	{
		"a change was sent without its sharding key",
		want{checker.Order, "a change of points was sent without its key", "", ""},
		messages(goodFirst, under(secondChange, secondChange, goodSecond)),
	},
	{
		"a change was sent under another key",
		want{checker.Order, "a change of points was sent without its key", "", ""},
		messages(goodFirst, under(collector, collector, goodSecond)),
	},
	{
		"a change of another size",
		want{checker.All, "a change of points on the topic is not the one recorded", "", ""},
		messages(goodFirst, goodSecond, change(2, secondChange, 2, "add", 3, "order_paid")),
	},
	{
		"a change that was made twice",
		want{checker.All, "a change of points on the topic is not the one recorded", "", ""},
		messages(goodFirst, goodSecond, change(2, third, 2, "add", 2, "order_paid")),
	},
	{
		"a customer in two queues",
		want{checker.Order, "topic points: an order's messages are in two queues", "", ""},
		messages(goodFirst, inQueue(2, goodSecond)),
	},
	{
		"a change before its predecessor",
		want{checker.Order, "topic points: a message is behind its successor", "", ""},
		messages(goodSecond, change(2, firstChange, 1, "set", 10, "registered")),
	},
}

func TestEachContradictionOfTopicPointsIsSeen(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		b.points()
		b.exec(b.payments, "UPDATE points_history SET points_no = IF(seq = 1, ?, ?)",
			firstChange, secondChange)

		for _, bad := range badPointsTopics {
			found, err := c.CheckPointsTopic(t.Context(), bad.messages)
			bad.want.in(t, bad.name, found, err)
		}

		stranger := change(3, third, 1, "set", 5, "registered")
		stranger.Body = fmt.Appendf(nil,
			`{"version":1,"type":"set","points_no":%q,"customer_id":%q,"seq":1,"points":5}`, third, foreign)
		found, err := c.CheckPointsTopic(t.Context(),
			messages(goodFirst, goodSecond, unreadable, stranger, goodFirst, inQueue(0, repeat(goodFirst))))
		wantNone(t, "repeats and strangers", found, err)
	})
}
