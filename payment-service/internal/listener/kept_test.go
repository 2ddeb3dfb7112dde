package listener_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/shared/idempotency"
	"settlement/shared/money"
	"settlement/shared/operator"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// lookAtWaiting makes the service look at every message that waits, even if it has just looked at
// it.
func (d *desk) lookAtWaiting() {
	d.t.Helper()
	d.sql("UPDATE parked_messages SET next_try_at = NOW(6) WHERE state = 'waiting'")
	if err := d.waiting.Round(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// try has an operator replay the message that is kept for a seq.
func (d *desk) try(seq int, closeGap bool) error {
	d.t.Helper()
	var id string
	err := d.pool.Read(d.t.Context()).
		Raw("SELECT id FROM parked_messages WHERE seq = ? AND state IN ('parked', 'waiting')", seq).Scan(&id).
		Error
	if err != nil || id == "" {
		d.t.Fatalf("nothing is kept for seq %d: %v", seq, err)
	}
	_, err = d.decisions.Replay(d.t.Context(), nil,
		operator.Decision{Operator: "o", Reason: "r", CloseGap: closeGap}, id)
	return err
}

func (d *desk) replay(seq int) {
	d.t.Helper()
	if err := d.try(seq, false); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) request() idempotency.Request {
	d.t.Helper()
	req, err := idempotency.NewRequest(uuid.NewString(), "test", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return req
}

// gauge is the value of a metric of a topic.
func (d *desk) gauge(name, topic string) float64 {
	d.t.Helper()
	families, err := d.registry.Gather()
	if err != nil {
		d.t.Fatal(err)
	}

	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == topic {
				return m.GetGauge().GetValue()
			}
		}
	}

	d.t.Fatalf("no metric %s of topic %s", name, topic)
	return 0
}

// offset is the id of the message that is kept from an offset.
func (d *desk) offset(offset int) string {
	d.t.Helper()
	var id string
	err := d.pool.Read(d.t.Context()).Raw("SELECT id FROM parked_messages WHERE queue_offset = ?", offset).
		Scan(&id).Error
	if err != nil || id == "" {
		d.t.Fatalf("nothing is kept from offset %d: %v", offset, err)
	}
	return id
}

func (d *desk) tryOffset(offset int, closeGap bool) error {
	d.t.Helper()
	_, err := d.decisions.Replay(d.t.Context(), nil,
		operator.Decision{Operator: "o", Reason: "r", CloseGap: closeGap}, d.offset(offset))
	return err
}

func (d *desk) discardOffset(offset int) error {
	d.t.Helper()
	_, err := d.decisions.Discard(d.t.Context(), nil, operator.Decision{Operator: "o", Reason: "r"},
		d.offset(offset))
	return err
}

// wallet opens an account that holds minor units. Its balance has no entries, and the tests here
// ask for none.
func (d *desk) wallet(minor int64) string {
	d.t.Helper()
	account, err := d.store.CreateAccount(d.t.Context(), d.request(), "x", money.CNY)
	if err != nil {
		d.t.Fatal(err)
	}
	d.sql(fmt.Sprintf("UPDATE accounts SET balance_minor = %d WHERE id = '%s'", minor, account.ID))
	return account.ID
}

// pays is an instruction that a wallet can pay.
func pays(t *testing.T, account string, offset int64) rocketmq.Delivery {
	t.Helper()
	body, err := json.Marshal(settlement.Instruction{
		Version: settlement.Version, Type: settlement.Settle, PaymentNo: uuid.NewString(),
		OrderID: uuid.NewString(), Seq: 1,
		AccountID: account, Amount: money.Money{Currency: money.CNY, Minor: 1}, RequestedAt: time.Now().UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return rocketmq.Delivery{Topic: settlement.TopicSettlement, Offset: offset, MessageID: "m", Body: body}
}
