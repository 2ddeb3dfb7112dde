package checker_test

import (
	"testing"

	"settlement/e2e/checker"
	"settlement/e2e/traffic"
)

// Each message left nothing in the good books.
var unkept = []struct {
	name                        string
	want                        want
	settlement, outcome, points []traffic.Message
}{
	{
		"an instruction that was not decided",
		want{checker.Lost, "a message was taken", newOrder, second},
		messages(instruction(1, newOrder, second, 1, 30)), nil, nil,
	},
	{
		"another amount under a number that was decided",
		want{checker.Lost, "a message was taken", paidOrder, first},
		messages(goodInstruction, instruction(1, paidOrder, first, 1, 31)), nil, nil,
	},
	{
		"a place that another number has",
		want{checker.Lost, "a message was taken", paidOrder, second},
		messages(goodInstruction, instruction(1, paidOrder, second, 1, 30)), nil, nil,
	},
	{
		"what nobody can read",
		want{checker.Lost, "a message was taken", "", ""},
		messages(unreadable), nil,
		nil,
	},
	{
		"an outcome that was not applied",
		want{checker.Lost, "a message was taken", newOrder, second},
		nil, messages(outcome(1, newOrder, second, 1, "paid")), nil,
	},
	{
		"an outcome that contradicts the one applied",
		want{checker.Lost, "a message was taken", paidOrder, first},
		nil, messages(goodOutcome, outcome(1, paidOrder, first, 1, "declined")), nil,
	},
	{
		"a change of points of another size",
		want{checker.Lost, "a message was taken", "", secondChange},
		nil, nil, messages(goodFirst, change(2, secondChange, 2, "add", 3, "order_paid")),
	},
}

func TestAMessageThatLeftNothingIsSeen(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		b.points()
		b.exec(b.payments, "UPDATE points_history SET points_no = IF(seq = 1, ?, ?)",
			firstChange, secondChange)

		found, err := c.CheckKept(t.Context(), messages(goodInstruction, repeat(goodInstruction)),
			messages(goodOutcome, goodOutcome), messages(goodFirst, goodSecond))
		wantNone(t, "messages and repeats that were taken", found, err)

		for _, bad := range unkept {
			found, err := c.CheckKept(t.Context(), bad.settlement, bad.outcome, bad.points)
			bad.want.in(t, bad.name, found, err)
			if len(found) != 1 {
				t.Errorf("%s: violations\n%s, want one", bad.name, lines(found))
			}
		}
	})
}

func TestAMessageWithARowOfItsOwnIsKept(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		waits := instruction(1, newOrder, second, 2, 30)
		again := instruction(2, newOrder, second, 2, 30)
		again.Body = append(again.Body, ' ') // the same, in other bytes
		for _, state := range []string{"parked", "replayed", "discarded", "waiting", "released"} {
			b.good()
			b.parked(state, newOrder, second, 2, "")
			b.exec(b.payments, "UPDATE parked_messages SET payload_sha256 = ?",
				checker.PayloadHash(waits.Body))
			found, err := c.CheckKept(t.Context(), messages(goodInstruction, waits, again), nil, nil)
			wantNone(t, state, found, err)

			dearer := instruction(3, paidOrder, first, 2, 31)
			b.exec(b.payments, "UPDATE parked_messages SET payment_no = ?, order_id = ?", first, paidOrder)
			found, err = c.CheckKept(t.Context(), messages(dearer), nil, nil)
			want{checker.Lost, "a message was taken", paidOrder, first}.in(t, state+
				", and decided otherwise since", found, err)
			b.exec(b.payments, "UPDATE parked_messages SET payment_no = ?, order_id = ?", second, newOrder)

			b.exec(b.payments, "UPDATE parked_messages SET cause = 'conflict'")
			found, err = c.CheckKept(t.Context(), messages(waits, again), nil, nil)
			want{checker.Lost, "a message was taken", newOrder, second}.in(t,
				"another claim than one in conflict", found, err)

			b.exec(b.payments, "UPDATE parked_messages SET topic = 'points'")
			found, err = c.CheckKept(t.Context(), messages(waits), nil, nil)
			want{checker.Lost, "a message was taken", newOrder, second}.in(t,
				"a message of another topic", found, err)
		}
	})
}
