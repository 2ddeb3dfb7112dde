package checker_test

import (
	"fmt"
	"strings"
	"testing"

	"settlement/e2e/checker"
	"settlement/e2e/traffic"
	contract "settlement/shared/settlement"
)

// record is a message of the topic journal. before is the body of the record that it follows, ""
// for the first.
func record(offset, position int64, before, order, no string, seq int, outcome string) traffic.Message {
	previous := contract.JournalOrigin
	if before != "" {
		previous = contract.JournalHash([]byte(before))
	}
	return traffic.Message{
		Topic: "journal", Offset: offset,
		ID: fmt.Sprint("m", offset), Key: no, Body: fmt.Appendf(nil,
			`{"version":1,"position":%d,"previous":%q,"payment_no":%q,"order_id":%q,"seq":%d,"type":"settle","outcome":%q,"reason":"",`+
				`"account_id":%q,"amount":{"currency":"CNY","minor":30},"decided_at":"2026-01-02T03:04:05Z"}`,
			position, previous, no, order, seq, outcome, payer),
	}
}

var (
	firstRecord  = record(0, 1, "", paidOrder, first, 1, "paid")
	secondRecord = record(1, 2, string(firstRecord.Body), paidOrder, second, 2, "declined")
)

// altered changes what a message says.
func altered(m traffic.Message, from, to string) traffic.Message {
	m.Body = []byte(strings.Replace(string(m.Body), from, to, 1))
	return m
}

// Each journal contradicts the good books, in which the paid order has a second step.
var badJournals = []struct {
	name    string
	want    want
	journal []traffic.Message
}{
	{
		"a record is missing",
		want{checker.All, "decided, and not in the journal", paidOrder, second},
		messages(firstRecord),
	},
	{"a gap", want{checker.Order, "the journal has a gap", paidOrder, second}, messages(secondRecord)},
	{
		"two records in one place",
		want{checker.Order, "one place of the journal has two records", paidOrder, first},
		messages(firstRecord, altered(firstRecord, `"minor":30`, `"minor":31`), secondRecord),
	},
	{
		"a record does not follow",
		want{checker.Order, "a record of the journal does not follow", paidOrder, second},
		messages(firstRecord, record(1, 2, "another", paidOrder, second, 2, "declined")),
	},
	{
		"another amount",
		want{checker.All, "a record of the journal is not what was decided", paidOrder, first},
		messages(altered(firstRecord, `"minor":30`, `"minor":31`)),
	},
	{
		"another outcome",
		want{checker.All, "a record of the journal is not what was decided", paidOrder, second},
		messages(firstRecord, altered(secondRecord, "declined", "paid")),
	},
	{
		"a payment number twice",
		want{checker.All, "a payment number is in the journal twice", paidOrder, first},
		messages(firstRecord, record(1, 2, string(firstRecord.Body), paidOrder, first, 1, "paid")),
	},
	{
		"a number that nobody decided",
		want{checker.All, "the journal has a payment number that is not recorded", newOrder, third},
		messages(firstRecord, record(1, 2, string(firstRecord.Body), newOrder, third, 1, "paid")),
	},
	{
		"an order's second step first",
		want{checker.Order, "an order's records in the journal are not in its sequence", paidOrder, second},
		messages(record(0, 1, "", paidOrder, second, 2, "declined")),
	},
	{
		"another queue",
		want{checker.Order, "the journal is in more than one queue", paidOrder, second},
		messages(firstRecord, inQueue(1, secondRecord)),
	},
}

func TestEachContradictionOfTheJournalIsSeen(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		refundedTwoSteps(b)

		for _, bad := range badJournals {
			found, err := c.CheckJournal(t.Context(), bad.journal)
			bad.want.in(t, bad.name, found, err)
		}

		found, err := c.CheckJournal(t.Context(),
			messages(firstRecord, repeat(firstRecord), unreadable, secondRecord, firstRecord))
		wantNone(t, "copies, and what nobody can read", found, err)
	})
}

func init() {
	faults = append(faults, fault{
		"a decision has no place in the journal",
		want{checker.Lost, "a decision has no place in the journal", "", first},
		func(b *books) {
			b.exec(b.payments, "INSERT INTO journal_pending (payment_no, record, traceparent, created_at)"+
				" VALUES"+
				" (?, '', '', NOW())", first)
		},
	})
}
