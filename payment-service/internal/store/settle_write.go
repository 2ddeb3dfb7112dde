package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"settlement/payment-service/internal/journal"
	"settlement/payment-service/internal/parking"
	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/outbox"
	"settlement/shared/settlement"
)

// write stores the decisions in bulk. A duplicate key means that another writer decided
// one of these numbers or orders since the locks were taken (an order's first
// instruction has no row to lock): the batch runs again and finds it.
func (b *batchState) write(tx dbtx.Tx) error {
	if len(b.touched) == 0 {
		return nil
	}
	steps := []func(dbtx.Tx) error{b.writeProgress, b.writeMovements, b.writeEntries, b.writeBalances, b.writeOutbox, b.writeWaiting, b.writeJournal}
	for _, step := range steps {
		if err := step(tx); dbtx.IsDuplicateKey(err) {
			return dbtx.Again("duplicate_key", err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// writeProgress inserts the rows of new orders plainly, so that a second writer of the
// same order fails, and moves the others from where they were locked.
func (b *batchState) writeProgress(tx dbtx.Tx) error {
	var created []progressRow
	var moved []string
	for _, id := range slices.Sorted(maps.Keys(b.touched)) {
		before, exists := b.before[id]
		switch {
		case !exists:
			created = append(created, progressRow{OrderID: id, LastSeq: b.ledger.LastSeq[id]})
		case b.ledger.LastSeq[id] != before:
			moved = append(moved, id)
		}
	}
	if len(created) > 0 {
		if err := tx.DB().Create(&created).Error; err != nil {
			return fmt.Errorf("insert progress of %d orders: %w", len(created), err)
		}
	}
	if len(moved) == 0 {
		return nil
	}
	var query strings.Builder
	var args []any
	query.WriteString("UPDATE order_progress SET last_seq = CASE order_id")
	for _, id := range moved {
		query.WriteString(" WHEN ? THEN ?")
		args = append(args, id, b.ledger.LastSeq[id])
	}
	query.WriteString(" END WHERE order_id IN ?")
	res := tx.DB().Exec(query.String(), append(args, moved)...)
	if res.Error != nil {
		return fmt.Errorf("move progress of %d orders: %w", len(moved), res.Error)
	}
	if res.RowsAffected != int64(len(moved)) {
		return fmt.Errorf("moved progress of %d of %d orders: a locked row is gone", res.RowsAffected, len(moved))
	}
	return nil
}

func (b *batchState) writeMovements(tx dbtx.Tx) error {
	if len(b.outcomes) == 0 {
		return nil
	}
	rows := make([]movementRow, 0, len(b.outcomes))
	for _, d := range b.outcomes {
		rows = append(rows, newMovementRow(d.movement))
	}
	// Sorted, so that two writers of the same numbers meet in the same order.
	slices.SortFunc(rows, func(x, y movementRow) int { return cmp.Compare(x.PaymentNo, y.PaymentNo) })
	if err := tx.DB().Create(&rows).Error; err != nil {
		return fmt.Errorf("insert %d payment numbers: %w", len(rows), err)
	}
	return nil
}

func (b *batchState) writeEntries(tx dbtx.Tx) error {
	var entries []payment.Entry
	for _, d := range b.outcomes {
		entries = append(entries, d.movement.Entries()...)
	}
	if len(entries) == 0 {
		return nil
	}
	rows := newEntryRows(entries)
	if err := tx.DB().Create(&rows).Error; err != nil {
		return fmt.Errorf("insert %d entries: %w", len(rows), err)
	}
	return nil
}

func (b *batchState) writeBalances(tx dbtx.Tx) error {
	maps.DeleteFunc(b.deltas, func(_ string, delta int64) bool { return delta == 0 })
	return updateBalances(tx, b.deltas)
}

// writeOutbox adds the outcomes in the order of decision, which is the order of each
// order's sequence.
func (b *batchState) writeOutbox(tx dbtx.Tx) error {
	messages := make([]outbox.Message, 0, len(b.outcomes))
	for _, d := range b.outcomes {
		event := d.movement.Event()
		body, err := json.Marshal(event)
		if err != nil {
			return fmt.Errorf("encode outcome %s: %w", event.PaymentNo, err)
		}
		messages = append(messages, outbox.Message{
			Topic: settlement.TopicOutcome, ShardingKey: event.OrderID, Key: event.PaymentNo, Tag: string(event.Type),
			Traceparent: d.traceparent, Body: body,
		})
	}
	return outbox.Add(tx, b.topics, b.now, messages...)
}

// writeJournal notes the decisions for the journal, in their order.
func (b *batchState) writeJournal(tx dbtx.Tx) error {
	notes := make([]journal.Note, 0, len(b.outcomes))
	for _, d := range b.outcomes {
		notes = append(notes, journal.Note{Movement: d.movement, Traceparent: d.traceparent})
	}
	return journal.Add(tx, b.now, notes)
}

func (b *batchState) writeWaiting(tx dbtx.Tx) error {
	var kept []parking.Successor
	for _, s := range b.successors {
		if s.ID == "" {
			kept = append(kept, s)
		}
	}
	slices.SortFunc(kept, func(x, y parking.Successor) int { return cmp.Compare(x.Delivery.Offset, y.Delivery.Offset) })
	if err := parking.Wait(tx, b.now, kept); err != nil {
		return err
	}
	return parking.Release(tx, b.now, b.released)
}
