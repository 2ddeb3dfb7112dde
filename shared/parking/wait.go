package parking

import (
	"fmt"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Successor is an instruction that waits for its predecessor.
type Successor struct {
	ID          string // of its record; empty while it is not kept yet
	Instruction settlement.Instruction
	Delivery    rocketmq.Delivery
}

// Of reads what is kept of the given orders: who waits for a predecessor, and the payment numbers of instructions that an
// operator has to decide on. The caller holds the orders' progress rows, so nobody else adds or releases one that waits.
func Of(tx dbtx.Tx, orderIDs []string) (waiting []Successor, parked []string, err error) {
	var rows []row
	err = tx.DB().Where("order_id IN ? AND state IN ?", orderIDs, []State{Waiting, Parked}).Order("order_id, seq, id").Find(&rows).Error
	if err != nil {
		return nil, nil, fmt.Errorf("read waiting and parked messages: %w", err)
	}
	for _, r := range rows {
		in, err := settlement.ParseInstruction(r.Payload)
		if err != nil {
			return nil, nil, fmt.Errorf("%s message %s: %w", r.State, r.ID, err)
		}
		if r.State == Parked {
			parked = append(parked, in.PaymentNo)
			continue
		}
		d, err := r.delivery()
		if err != nil {
			return nil, nil, err
		}
		waiting = append(waiting, Successor{ID: r.ID, Instruction: in, Delivery: d})
	}
	return waiting, parked, nil
}

// Wait keeps successors until their predecessor is done. One that is parked already, and
// was replayed too early, waits under the record that it has.
func Wait(tx dbtx.Tx, now time.Time, successors []Successor) error {
	for _, s := range successors {
		r, err := newRow(s.Delivery, Waiting, fmt.Sprintf("predecessor of seq %d is not done", s.Instruction.Seq), now)
		if err != nil {
			return err
		}
		r = r.withInstruction(s.Instruction)
		moved := tx.DB().Model(&row{}).Where("topic = ? AND queue_id = ? AND queue_offset = ? AND payload_sha256 = ? AND state = ?",
			r.Topic, r.QueueID, r.QueueOffset, r.PayloadSHA256, Parked).
			Select("state", "payment_no", "order_id", "seq", "reason", "updated_at").Updates(r)
		if moved.Error != nil {
			return fmt.Errorf("keep payment %s waiting: %w", s.Instruction.PaymentNo, moved.Error)
		}
		if moved.RowsAffected == 1 {
			continue
		}
		if err := tx.DB().Create(&r).Error; err != nil {
			return fmt.Errorf("keep payment %s waiting: %w", s.Instruction.PaymentNo, err)
		}
	}
	return nil
}

// Release marks the records of successors that were done.
func Release(tx dbtx.Tx, now time.Time, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	res := tx.DB().Model(&row{}).Where("id IN ? AND state = ?", ids, Waiting).
		Updates(map[string]any{"state": Released, "updated_at": now})
	if res.Error != nil {
		return fmt.Errorf("release %d waiting messages: %w", len(ids), res.Error)
	}
	if res.RowsAffected != int64(len(ids)) {
		return fmt.Errorf("released %d of %d waiting messages: somebody resolved one of them meanwhile", res.RowsAffected, len(ids))
	}
	return nil
}
