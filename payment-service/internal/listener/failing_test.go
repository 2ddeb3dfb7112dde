package listener_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/stack/testdb"
	"settlement/e2e/wait"
	"settlement/migrations"
	"settlement/shared/dbtx"
	"settlement/shared/money"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// about is an instruction of an order, as a message.
func about(t *testing.T, order string, seq, offset int64) rocketmq.Delivery {
	t.Helper()
	body, err := json.Marshal(settlement.Instruction{
		Version: settlement.Version, Type: settlement.Settle, PaymentNo: uuid.NewString(), OrderID: order,
		Seq:       seq,
		AccountID: uuid.NewString(), Amount: money.Money{Currency: money.CNY, Minor: 1},
		RequestedAt: time.Now().UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return rocketmq.Delivery{Topic: settlement.TopicSettlement, Offset: offset, MessageID: "m", Body: body}
}

// refuse makes the database refuse every payment of an order. It counts the executions in a MyISAM
// table, which keeps its rows when a transaction is rolled back.
func (d *desk) refuse(order string) {
	d.t.Helper()
	d.sql("CREATE TABLE executed (n INT) ENGINE = MyISAM")
	d.sql("CREATE TRIGGER refuse BEFORE INSERT ON payment_numbers FOR EACH ROW BEGIN IF NEW.order_id = '" +
		order + "' THEN" +
		" INSERT INTO executed VALUES (1); SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a bug'; END IF; END")
}

// An instruction fails for a reason that nobody foresaw: here, a trigger refuses its order.
func TestAnUnexplainedErrorIsTriedThreeTimesInAll(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		bad := uuid.NewString()
		d := openDesk(t, db.Pool, db.Pool)
		d.refuse(bad)
		batch := []rocketmq.Delivery{
			about(t, uuid.NewString(), 1, 0), about(t, bad, 1, 1), about(t, bad, 2, 2),
			about(t, uuid.NewString(), 1, 3),
		}

		if err := d.listener.Handle(t.Context(), batch); err == nil || dbtx.IsTransient(err) {
			t.Fatalf("first time: error %v, want one that is not transient", err)
		}
		d.wantCount("parked_messages WHERE state = 'parked'", 0)
		d.wantCount("payment_numbers", 2) // the others do not wait for it

		if err := d.listener.Handle(t.Context(), batch); err != nil {
			t.Fatalf("second time: %v, want the message parked and acknowledged", err)
		}
		d.wantCount("executed", parking.TriesMax) // in its batch, alone, and alone again
		d.wantCount("parked_messages WHERE state = 'parked' AND cause = 'failed' AND attempts = 3 AND seq ="+
			" 1 AND reason LIKE 'Error 1644%a bug |%'", 1)
		d.wantCount("parked_messages WHERE state = 'waiting' AND seq = 2", 1)
		if n := d.counted("parked"); n != 1 {
			t.Errorf("one instruction was parked, counted %v times", n)
		}

		if err := d.listener.Handle(t.Context(), batch); err != nil { // the acknowledgement was lost
			t.Errorf("the batch once more: %v", err)
		}

		again := batch[1]
		again.Offset, again.MessageID = 99, "another" // sent twice
		if err := d.listener.Handle(t.Context(), []rocketmq.Delivery{again}); err != nil {
			t.Errorf("a copy of the parked message: %v", err)
		}
		d.wantCount("executed", parking.TriesMax)
		d.wantCount("parked_messages", 2)
		// And not one for each redelivery.
		d.wantCount("notifications WHERE channel = 'log' AND body LIKE '%"+bad+"%'", 1)
		d.wantCount("notifications", 1)
		// The error text of the database is not sent to people.
		d.wantCount("notifications WHERE body LIKE '%a bug%'", 0)
	})
}

// The tries are counted in the database, so that a restart does not begin anew. Whether other
// messages take effect, only the running process knows.
func TestTriesAreCountedAcrossRestarts(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		bad := uuid.NewString()
		d := openDesk(t, db.Pool, db.Pool)
		d.refuse(bad)
		failing := about(t, bad, 1, 0)

		fails := func(executed int64) {
			t.Helper()
			if err := d.listener.Handle(t.Context(), []rocketmq.Delivery{failing}); err == nil {
				t.Fatal("acknowledged before it was executed as often as it may")
			}
			d.wantCount("executed", executed)
			d.wantCount("parked_messages", 0)
		}

		fails(1)
		for restarts := range int64(parking.TriesMax - 1) {
			d = openDesk(t, db.Pool, db.Pool)
			fails(restarts + 1) // not executed: this process does not know yet whether others fail too
			d.handle(about(t, uuid.NewString(), 1, 1+restarts))
			if restarts < parking.TriesMax-2 {
				fails(restarts + 2)
			}
		}

		d.handle(failing)
		d.wantCount("executed", parking.TriesMax)
		d.wantCount("parked_messages WHERE state = 'parked' AND attempts = 3", 1)
	})
}

// A fault of the system meets every message. None is to blame, so none is parked, and people are
// told once.
func TestASystemicFaultParksNothing(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool, db.Pool)
		batch := make([]rocketmq.Delivery, 0, 20)
		for i := range int64(20) {
			batch = append(batch, about(t, uuid.NewString(), 1, i))
		}
		repeat := about(t, uuid.NewString(), 1, 99)
		if err := d.listener.Handle(t.Context(), []rocketmq.Delivery{repeat}); err != nil {
			t.Fatal(err)
		}

		// The triggers of a bad release refuse each payment.
		d.sql("CREATE TRIGGER refuse BEFORE INSERT ON payment_numbers FOR EACH ROW SIGNAL SQLSTATE '45000'" +
			" SET MESSAGE_TEXT = 'a bad release'")
		for range 2 * parking.TriesMax {
			if err := d.listener.Handle(t.Context(), append(batch, repeat)); err == nil {
				t.Fatal("the batch was acknowledged")
			}
		}

		d.wantCount("parked_messages", 0)
		d.wantCount("notifications WHERE type = 'consumption.stopped'", 1)
		if n := d.gauge("intake_stopped", settlement.TopicSettlement); n != 1 {
			t.Errorf("intake_stopped is %v, want 1", n)
		}

		d.sql("DROP TRIGGER refuse")
		wait.Until(t, 10*time.Second, func() error { return d.listener.Handle(t.Context(), batch) })
		d.wantCount("parked_messages", 0)
		d.wantCount("notifications", 1)
		d.wantCount("payment_numbers", 21)

		// A missing table is known as a fault of the system, also when only one message meets it.
		d.sql("RENAME TABLE entries TO entries_away")
		account := d.wallet(100)
		paying := pays(t, account, 99)
		for range 2 * parking.TriesMax {
			if err := d.listener.Handle(t.Context(), []rocketmq.Delivery{paying}); err == nil {
				t.Fatal("the message was acknowledged")
			}
			d.handle(about(t, uuid.NewString(), 1, 98)) // declined: writes no entries
		}

		d.wantCount("parked_messages", 0)
		d.wantCount("delivery_attempts", 20) // all from the batch before: this failure is not counted
		d.sql("RENAME TABLE entries_away TO entries")
		d.handle(paying)
		d.wantCount("payment_numbers WHERE outcome = 'paid'", 1)
		if n := d.gauge("intake_stopped", settlement.TopicSettlement); n != 0 {
			t.Errorf("intake_stopped is %v, want 0", n)
		}
	})
}

// A successor that fails when it is released is not its predecessor's fault: the predecessor is
// settled and acknowledged, and the failures count against the successor.
func TestAFailingSuccessorIsNotBlamedOnItsPredecessor(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool, db.Pool)
		order := uuid.NewString()
		one, two, three := about(t, order, 1, 1), about(t, order, 2, 2), about(t, order, 3, 3)
		d.sql("CREATE TRIGGER refuse BEFORE INSERT ON payment_numbers FOR EACH ROW BEGIN IF NEW.order_id = '" + order + "' AND NEW.seq = 2" +
			" THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a bug'; END IF; END")

		for _, m := range []rocketmq.Delivery{two, three, one} {
			if err := d.listener.Handle(t.Context(), []rocketmq.Delivery{m}); err != nil {
				t.Fatalf("offset %d: %v", m.Offset, err)
			}
		}
		d.wantCount("payment_numbers WHERE seq = 1", 1)
		d.wantCount("parked_messages WHERE state = 'waiting'", 2)

		for range parking.TriesMax + 1 {
			if err := d.listener.Handle(t.Context(),
				[]rocketmq.Delivery{about(t, uuid.NewString(), 1, 4)}); err != nil {
				t.Fatal(err)
			}
			d.lookAtWaiting()
		}
		d.wantCount("parked_messages WHERE state = 'parked' AND cause = 'failed' AND seq = 2", 1)
		d.wantCount("parked_messages WHERE state = 'waiting' AND seq = 3", 1)
		d.wantCount("notifications", 1)

		d.sql("DROP TRIGGER refuse")
		d.replay(2)
		d.wantCount("payment_numbers WHERE order_id = '"+order+"'", 3)
		d.wantCount("parked_messages WHERE state IN ('parked', 'waiting')", 0)
	})
}

// When an instruction waits for a predecessor that never comes, operators are told, and one of them
// can end the wait.
func TestAGapIsToldAndClosed(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		d := openDesk(t, db.Pool, db.Pool)
		order := uuid.NewString()
		// The first instruction was cut on its way, and comes as poison.
		cutShort := rocketmq.Delivery{
			Topic: settlement.TopicSettlement, Offset: 1, MessageID: "m",
			Body: []byte(`{"version":1,"order_id":"` + order),
		}
		if err := d.listener.Handle(t.Context(),
			[]rocketmq.Delivery{cutShort, about(t, order, 2, 2), about(t, order, 3, 3)}); err != nil {
			t.Fatal(err)
		}

		d.lookAtWaiting()
		d.wantCount("notifications WHERE type = 'message.waiting'", 0)
		d.sql("UPDATE parked_messages SET waits_since = NOW(6) - INTERVAL 5 MINUTE WHERE state = 'waiting'")
		d.lookAtWaiting()
		d.lookAtWaiting()
		d.wantCount("notifications WHERE type = 'message.waiting'", 2) // told together, see the teller
		d.wantCount("(SELECT DISTINCT cause_key FROM notifications WHERE type = 'message.waiting') AS causes",
			1)

		for seq, closeGap := range map[int]bool{2: false, 3: true} {
			if err := d.try(seq, closeGap); err == nil {
				t.Errorf("seq %d, close gap %t: replayed; want it refused", seq, closeGap)
			}
		}
		d.wantCount("payment_numbers", 0)
		if err := d.try(2, true); err != nil {
			t.Fatal(err)
		}
		d.wantCount("payment_numbers WHERE order_id = '"+order+"'", 2) // and seq 3 behind it
		d.wantCount("order_progress WHERE last_seq = 3", 1)
		d.wantCount("parked_audit WHERE reason LIKE 'gap closed%'", 1)

		// The first comes after all: it is not swallowed.
		if err := d.listener.Handle(t.Context(), []rocketmq.Delivery{about(t, order, 1, 9)}); err != nil {
			t.Fatal(err)
		}
		d.wantCount("parked_messages WHERE state = 'parked' AND cause = 'conflict' AND seq = 1", 1)
	})
}
