package checker_test

import (
	"testing"

	"settlement/e2e/checker"
)

func TestAMessageThatNobodyAskedToParkIsSeen(t *testing.T) {
	eachBooks(t, func(t *testing.T, b *books, c *checker.Checker) {
		found, err := c.CheckAsked(t.Context(), nil, nil)
		wantNone(t, "nothing parked", found, err)

		for i, state := range []string{"parked", "replayed", "discarded", "waiting", "released"} {
			b.good()
			b.parked(state, newOrder, second, i+1, "a payload")
			b.exec(b.payments, "UPDATE parked_messages SET topic = 'points', payload_sha256 = ?",
				checker.PayloadHash([]byte("a payload")))
			found, err := c.CheckAsked(t.Context(), nil,
				map[string]bool{checker.PayloadHash([]byte("another")): true})
			if state == "waiting" || state == "released" {
				wantNone(t, state, found, err)
				continue
			}
			want{
				checker.Lost, "a message was parked that nothing was wrong with",
				newOrder, second,
			}.in(t, state, found, err)

			found, err = c.CheckAsked(t.Context(), nil,
				map[string]bool{checker.PayloadHash([]byte("a payload")): true})
			wantNone(t, state+", as was asked", found, err)
		}
		b.good()
		b.parked("parked", newOrder, second, 1, "a payload")
		b.exec(b.payments, "UPDATE parked_messages SET id = ?", third)
		found, err = c.CheckAsked(t.Context(), []string{third}, nil)
		wantNone(t, "parked before", found, err)

		b.good()
		b.exec(b.orders, "INSERT INTO parked_messages (id, state, cause, topic, broker, queue_id,"+
			" queue_offset, message_id, payment_no, order_id, seq, payload,"+
			" payload_sha256, properties, reason, attempts, resolution, created_at, updated_at)"+
			" VALUES (UUID(), 'parked', 'conflict', 'payment-outcome', '', 0, 0, 'm', ?, ?, 1, '', '', '{}',"+
			" 'r', 1, '', NOW(), NOW())", second, newOrder)
		found, err = c.CheckAsked(t.Context(), nil, nil)
		want{
			checker.Lost, "a message was parked that nothing was wrong with",
			newOrder, second,
		}.in(t, "an outcome", found, err)
		found, err = c.Check(t.Context())
		want{checker.Lost, "a message is parked, and nobody is to be told", newOrder, second}.in(t,
			"an outcome, and no notice", found, err)
	})
}

func TestANoticeThatIsToldAgainIsSeen(t *testing.T) {
	taken := map[string]int64{"once": 1, "twice": 2}
	found := checker.ToldAgain(taken, 0)
	want{checker.Double, "a notice was told again", "", ""}.in(t, "twice, and nothing happened", found, nil)
	if len(found) != 1 {
		t.Errorf("violations\n%s, want the second notice only", lines(found))
	}
	wantNone(t, "twice, and its teller died meanwhile", checker.ToldAgain(taken, 1), nil)
}
