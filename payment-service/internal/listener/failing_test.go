package listener_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/payment-service/internal/parking"
	"settlement/shared/dbtx"
	"settlement/shared/money"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// about is an instruction of an order, as a message.
func about(t *testing.T, order string, seq, offset int64) rocketmq.Delivery {
	t.Helper()
	body, err := json.Marshal(settlement.Instruction{
		Version: settlement.Version, Type: settlement.Settle, PaymentNo: uuid.NewString(), OrderID: order, Seq: seq,
		AccountID: uuid.NewString(), Amount: money.Money{Currency: money.CNY, Minor: 1}, RequestedAt: time.Now().UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return rocketmq.Delivery{Topic: settlement.TopicSettlement, Offset: offset, MessageID: "m", Body: body}
}

// An instruction that fails for a reason nobody foresaw: here a trigger that refuses its order.
func TestAnUnexplainedErrorIsTriedThreeTimesInAll(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		bad := uuid.NewString()
		pool, err := db.Pool.SQL()
		if err != nil {
			t.Fatal(err)
		}
		_, err = pool.ExecContext(t.Context(), "CREATE TRIGGER refuse BEFORE INSERT ON payment_numbers FOR EACH ROW"+ //nolint:gosec // a trigger takes no parameters
			" BEGIN IF NEW.order_id = '"+bad+"' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a bug'; END IF; END")
		if err != nil {
			t.Fatal(err)
		}
		batch := []rocketmq.Delivery{
			about(t, uuid.NewString(), 1, 0), about(t, bad, 1, 1), about(t, bad, 2, 2), about(t, uuid.NewString(), 1, 3),
		}
		for try := 1; try < parking.TriesMax; try++ {
			d := openDesk(t, db.Pool, db.Pool) // as after a restart: what counts is in the database
			if err := d.listener.Handle(t.Context(), batch); err == nil || dbtx.IsTransient(err) {
				t.Fatalf("try %d: error %v, want one that is not transient", try, err)
			}
			d.wantCount("parked_messages WHERE state = 'parked'", 0)
			d.wantCount("payment_numbers", 2) // the others do not wait for it
		}
		d := openDesk(t, db.Pool, db.Pool)
		if err := d.listener.Handle(t.Context(), batch[1:2]); err != nil { // alone this time
			t.Fatalf("last try: %v, want the message parked and acknowledged", err)
		}
		d.wantCount("parked_messages WHERE state = 'parked' AND attempts = 3 AND seq = 1", 1)
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
		d.wantCount("parked_messages", 2)
		d.wantCount("notifications WHERE channel = 'log' AND body LIKE '%"+bad+"%'", 1) // and not one for each redelivery
		d.wantCount("notifications", 1)
	})
}
