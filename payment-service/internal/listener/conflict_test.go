package listener_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/money"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// claims is an instruction under a payment number that the test chose.
func claims(t *testing.T, no, order string, seq, minor, offset int64) rocketmq.Delivery {
	t.Helper()
	body, err := json.Marshal(settlement.Instruction{
		Version: settlement.Version, Type: settlement.Settle, PaymentNo: no, OrderID: order, Seq: seq,
		AccountID: uuid.Nil.String(),
		Amount:    money.Money{Currency: money.CNY, Minor: minor}, RequestedAt: time.Now().UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return rocketmq.Delivery{
		Topic: settlement.TopicSettlement, Broker: "a", Offset: offset, MessageID: "m", Body: body,
	}
}

func (d *desk) handle(batch ...rocketmq.Delivery) {
	d.t.Helper()
	if err := d.listener.Handle(d.t.Context(), batch); err != nil {
		d.t.Fatal(err)
	}
}

// An instruction that claims the payment number or the place of another one is neither settled nor
// swallowed.
func TestAConflictIsParkedAndTold(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		for name, conflicting := range map[string]func(no, order string) rocketmq.Delivery{
			"another order": func(no, _ string) rocketmq.Delivery {
				return claims(t,
					no, uuid.NewString(), 1, 10, 2)
			},
			"another seq": func(no, order string) rocketmq.Delivery {
				return claims(t,
					no, order, 2, 10, 2)
			},
			"another amount": func(no, order string) rocketmq.Delivery {
				return claims(t,
					no, order, 1, 5000, 2)
			},
			"another number": func(_, order string) rocketmq.Delivery {
				return claims(t,
					uuid.NewString(), order, 1, 10, 2)
			},
		} {
			for _, how := range []string{"one after the other", "in one batch", "ahead, in one batch"} {
				d := openDesk(t, db.Pool, db.Pool)
				for _, table := range []string{
					"parked_messages", "notifications", "payment_numbers", "order_progress", "outbox",
				} {
					d.sql("DELETE FROM " + table)
				}

				no, order := uuid.NewString(), uuid.NewString()
				genuine, other := claims(t, no, order, 1, 10, 1), conflicting(no, order)
				decided := int64(1)
				switch how {
				case "one after the other":
					d.handle(genuine)
					d.handle(other)
				case "in one batch":
					d.handle(genuine, other)
				default:
					genuine = claims(t, no, order, 2, 10, 1)
					if name == "another number" || name == "another amount" {
						other = claims(t, map[bool]string{
							true: uuid.NewString(), false: no,
						}[name == "another number"], order, 2, 77, 2)
					}
					d.handle(genuine, other)
					decided = 0
					if name == "another seq" || name == "another order" {
						// Until one of them is decided, nothing tells such a claim from the genuine
						// instruction.
						continue
					}
				}

				d.wantCount("payment_numbers", decided)
				d.wantCount("parked_messages WHERE state = 'parked' AND cause = 'conflict' AND queue_offset"+
					" = 2", 1)
				d.wantCount("notifications", 1)

				// The same message once more, from another offset: it is kept already.
				other.Offset = 3
				d.handle(other)
				d.wantCount("parked_messages WHERE state = 'parked'", 1)
				d.wantCount("notifications", 1)
				if t.Failed() {
					t.Fatalf("%s, %s", name, how)
				}

				if err := d.tryOffset(2, false); err == nil {
					t.Errorf("%s, %s: replayed, want it refused", name, how)
				}
				if err := d.discardOffset(2); err != nil {
					t.Errorf("%s, %s: discard: %v", name, how, err)
				}
				d.wantCount("payment_numbers", decided)
			}
		}
	})
}

// A copy that waited for the lock while the first one was settled is a repeat. Once, 196 of 200
// such copies were taken for conflicts.
func TestCopiesAtOnceAreNoConflicts(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		const rounds = 50
		d := openDesk(t, db.Pool, db.Pool)
		order := uuid.NewString()
		d.handle(claims(t, uuid.NewString(), order, 1, 1, 0)) // now there is a progress row to wait for

		for seq := int64(2); seq < 2+rounds; seq++ {
			m := claims(t, uuid.NewString(), order, seq, 1, seq)
			done := make(chan error, 2)
			for range 2 {
				go func() {
					done <- d.listener.Handle(context.WithoutCancel(t.Context()),
						[]rocketmq.Delivery{m})
				}()
			}
			for range 2 {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
		}

		d.wantCount("parked_messages", 0)
		d.wantCount("payment_numbers", rounds+1)
		if n := d.counted("repeated"); n != rounds {
			t.Errorf("%v repeats were counted, want %d", n, rounds)
		}
	})
}

// Each broker counts its own queues and offsets: the same offset of another broker is another
// message.
func TestParkedMessagesKnowTheirBroker(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool, db.Pool)
		m := rocketmq.Delivery{
			Topic: settlement.TopicSettlement, Broker: "a", MessageID: "m", Body: []byte("x"),
		}
		d.handle(m)
		m.Broker = "b"
		d.handle(m, m)
		d.wantCount("parked_messages", 2)
		d.wantCount("parked_messages WHERE broker = 'b'", 1)
	})
}

// Customers see the numbers of their deposits. An instruction that uses such a number as its
// payment number is parked at once. A number from before deposits had a kind of number of their own
// meets the unique index each time: that instruction is parked after its tries, and the queue goes
// on.
func TestADepositsNumberIsNoPaymentNumber(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool, db.Pool)
		account, err := d.store.CreateAccount(t.Context(), d.request(), "x", money.CNY)
		if err != nil {
			t.Fatal(err)
		}
		deposit, err := d.store.Deposit(t.Context(), d.request(), account.ID,
			money.Money{Currency: money.CNY, Minor: 1000})
		if err != nil {
			t.Fatal(err)
		}

		d.handle(claims(t, deposit.DepositNo, uuid.NewString(), 1, 10, 1))
		d.wantCount("parked_messages WHERE state = 'parked' AND cause = 'poison'", 1)

		old := uuid.NewString()
		d.sql(fmt.Sprintf("UPDATE entries SET payment_no = '%s'", old))
		body, err := json.Marshal(settlement.Instruction{
			Version: settlement.Version, Type: settlement.Settle, PaymentNo: old, OrderID: uuid.NewString(),
			Seq: 1, AccountID: account.ID,
			Amount: money.Money{Currency: money.CNY, Minor: 10}, RequestedAt: time.Now().UTC(),
		})
		if err != nil {
			t.Fatal(err)
		}

		bad := rocketmq.Delivery{
			Topic: settlement.TopicSettlement, Broker: "a", Offset: 2, MessageID: "m", Body: body,
		}
		for round := int64(0); ; round++ {
			err := d.listener.Handle(t.Context(),
				[]rocketmq.Delivery{bad, claims(t, uuid.NewString(), uuid.NewString(), 1, 1, 10+round)})
			d.wantCount("payment_numbers", round+1) // its neighbour does not wait
			if err == nil {
				break
			}
			if round == parking.TriesMax {
				t.Fatalf("not parked after %d rounds: %v", round+1, err)
			}
		}

		d.wantCount("parked_messages WHERE state = 'parked' AND cause = 'failed'", 1)
	})
}

// An instruction that strayed to topic points is poison there. To discard it there must not end the
// payment.
func TestAStrayInstructionIsPoisonInTopicPoints(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool, db.Pool)
		genuine := claims(t, uuid.NewString(), uuid.NewString(), 1, 10, 7)
		stray := genuine
		stray.Topic, stray.Offset = settlement.TopicPoints, 3
		if err := d.points.Handle(t.Context(), []rocketmq.Delivery{stray}); err != nil {
			t.Fatal(err)
		}
		if err := d.discardOffset(3); err != nil {
			t.Fatal(err)
		}

		d.handle(genuine)
		d.wantCount("payment_numbers WHERE outcome = 'declined' AND reason = 'unknown_account'", 1)
	})
}

// A change of points that no column can hold, or that fails for another reason, does not stop the
// changes of other customers.
func TestABadChangeOfPointsStopsNobodyElse(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool, db.Pool)
		change := func(customer, at string, offset int64) rocketmq.Delivery {
			return rocketmq.Delivery{
				Topic:  settlement.TopicPoints,
				Broker: "a", Offset: offset, MessageID: "m", Body: []byte(
					`{"version":1,"type":"set","points_no":"` + uuid.NewString() + `","customer_id":"` +
						customer + `","seq":1,"points":10,"reason":"x","occurred_at":"` + at + `"}`),
			}
		}

		const today = "2026-01-01T00:00:00Z"
		for i, at := range []string{
			"0000-06-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-01:00",
		} {
			batch := []rocketmq.Delivery{
				change(uuid.NewString(), at, int64(10*i)), change(uuid.NewString(), today, int64(10*i+1)),
			}
			if err := d.points.Handle(t.Context(), batch); err != nil {
				t.Errorf("occurred at %s: %v", at, err)
			}
		}

		d.wantCount("points_history", 3)
		d.wantCount("parked_messages WHERE state = 'parked' AND cause = 'poison'", 3)

		bad := uuid.NewString()
		d.sql("CREATE TRIGGER refuse BEFORE INSERT ON points_history FOR EACH ROW BEGIN IF NEW.customer_id =" +
			" '" + bad +
			"' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a bug'; END IF; END")
		failing := change(bad, today, 100)
		for round := int64(0); d.points.Handle(t.Context(),
			[]rocketmq.Delivery{change(uuid.NewString(), today, 101+round), failing}) != nil; round++ {
			if round == parking.TriesMax {
				t.Fatal("not parked")
			}
		}

		d.wantCount("parked_messages WHERE state = 'parked' AND cause = 'failed' AND topic = 'points' AND"+
			" order_id = '"+bad+"'", 1)
		d.sql("DROP TRIGGER refuse")
		if err := d.tryOffset(100, false); err != nil {
			t.Error(err)
		}
		d.wantCount("points_history WHERE customer_id = '"+bad+"'", 1)
	})
}

// An instruction that failed every time keeps its number and its place until an operator has
// decided on it. Until then neither a forged copy of it nor another instruction for its place takes
// effect, not even when an operator replays or discards one of those.
func TestAParkedInstructionKeepsItsPlace(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool, db.Pool)
		no, order := uuid.NewString(), uuid.NewString()
		genuine := claims(t, no, order, 1, 10, 1)

		d.sql("CREATE TRIGGER refuse BEFORE INSERT ON payment_numbers FOR EACH ROW BEGIN IF NEW.order_id = '" + order +
			"' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a bug'; END IF; END")
		for round := int64(0); d.listener.Handle(t.Context(),
			[]rocketmq.Delivery{about(t, uuid.NewString(), 1, 100+round), genuine}) != nil; round++ {
			if round == parking.TriesMax {
				t.Fatal("not parked")
			}
		}
		d.sql("DROP TRIGGER refuse")

		forged, stranger := claims(t, no, order, 1, 5000, 2), claims(t, uuid.NewString(), order, 1, 10, 3)
		d.handle(forged, stranger)
		d.wantCount("parked_messages WHERE state = 'parked' AND cause = 'conflict'", 2)
		d.wantCount("payment_numbers WHERE order_id = '"+order+"'", 0)

		for _, offset := range []int{2, 3} {
			if err := d.tryOffset(offset, true); err == nil {
				t.Errorf("offset %d: replayed, while the genuine one is parked", offset)
			}
			if err := d.discardOffset(offset); err != nil {
				t.Errorf("offset %d: discard: %v", offset, err)
			}
		}

		d.wantCount("payment_numbers WHERE order_id = '"+order+"'", 0)
		if err := d.tryOffset(1, false); err != nil {
			t.Fatal(err)
		}
		d.wantCount("payment_numbers WHERE payment_no = '"+no+"' AND amount_minor = 10", 1)
	})
}
