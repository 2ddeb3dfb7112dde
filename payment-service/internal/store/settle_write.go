package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"settlement/payment-service/internal/journal"
	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/outbox"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

// write stores what was decided since it was called last, in bulk. A duplicate key means that
// another writer decided one of these numbers or orders since the locks were taken (an order's
// first instruction has no row to lock). The batch then runs again, and finds that decision.
func (b *batchState) write(tx dbtx.Tx) error {
	steps := []func(dbtx.Tx) error{
		b.writeProgress, b.writeMovements, b.writeEntries, b.writeBalances, b.writeOutbox, b.writeJournal,
		b.writeWaiting, b.writeReleased, b.writeConflicts,
	}

	for _, step := range steps {
		if err := step(tx); dbtx.IsDuplicateKey(err) {
			return dbtx.Again("duplicate_key", err)
		} else if err != nil {
			return err
		}
	}
	b.written()
	return nil
}

// written adds what is in the database now to the summary, and forgets it.
func (b *batchState) written() {
	b.summary.Decided = append(b.summary.Decided, b.outcomes...)
	b.summary.Conflicts = append(b.summary.Conflicts, b.conflicts...)
	for order := range b.touched {
		b.before[order] = b.ledger.LastSeq[order]
	}
	b.anyAnswer = b.anyAnswer || len(b.answers) > 0
	b.outcomes, b.answers, b.conflicts, b.released = nil, nil, nil, nil
	clear(b.touched)
	clear(b.deltas)
}

// writeProgress inserts the rows of new orders with a plain INSERT, so that a second writer of the
// same order fails. It moves the locked rows of the other orders on.
func (b *batchState) writeProgress(tx dbtx.Tx) error {
	var created []progressRow
	var moved, waiting []string
	for _, id := range slices.Sorted(maps.Keys(b.touched)) {
		before, exists := b.before[id]
		switch {
		case !exists:
			created = append(created, progressRow{OrderID: id, LastSeq: b.ledger.LastSeq[id]})
		case b.ledger.LastSeq[id] != before:
			moved = append(moved, id)
		default:
			waiting = append(waiting, id)
		}
	}

	if len(created) > 0 {
		if err := tx.DB().Create(&created).Error; err != nil {
			return fmt.Errorf("insert progress of %d orders: %w", len(created), err)
		}
	}
	if err := b.moveProgress(tx, moved); err != nil {
		return err
	}

	return exactly(len(waiting), "progress of orders that somebody waits for", func() (int64, error) {
		// The row has to change: setting it to what it is writes nothing, and collides with no
		// other writer.
		res := tx.DB().Exec("UPDATE order_progress FORCE INDEX (PRIMARY) SET waits = waits + 1 WHERE"+
			" order_id IN ?", waiting)
		return res.RowsAffected, res.Error
	})
}

func (b *batchState) moveProgress(tx dbtx.Tx, moved []string) error {
	var query strings.Builder
	var args []any
	query.WriteString("UPDATE order_progress FORCE INDEX (PRIMARY) SET last_seq = CASE order_id")
	for _, id := range moved {
		query.WriteString(" WHEN ? THEN ?")
		args = append(args, id, b.ledger.LastSeq[id])
	}
	query.WriteString(" END WHERE order_id IN ?")
	return exactly(len(moved), "progress of orders", func() (int64, error) {
		res := tx.DB().Exec(query.String(), append(args, moved)...)
		return res.RowsAffected, res.Error
	})
}

// exactly runs an update of n locked rows, and fails when the update met another number of rows.
// When n is 0, it does nothing.
func exactly(n int, what string, update func() (rows int64, err error)) error {
	if n == 0 {
		return nil
	}
	rows, err := update()
	if err != nil {
		return fmt.Errorf("update %s: %w", what, err)
	}
	if rows != int64(n) {
		return fmt.Errorf("update %s: met %d of %d rows, a locked one is gone", what, rows, n)
	}
	return nil
}

func (b *batchState) writeMovements(tx dbtx.Tx) error {
	if len(b.outcomes) == 0 {
		return nil
	}
	rows := make([]movementRow, 0, len(b.outcomes))
	for _, d := range b.outcomes {
		rows = append(rows, newMovementRow(d.Movement))
	}

	// Sorted, so that two writers of the same numbers insert them in the same order.
	slices.SortFunc(rows, func(x, y movementRow) int { return cmp.Compare(x.PaymentNo, y.PaymentNo) })
	if err := tx.DB().Create(&rows).Error; err != nil {
		return fmt.Errorf("insert %d payment numbers: %w", len(rows), err)
	}
	return nil
}

func (b *batchState) writeEntries(tx dbtx.Tx) error {
	var entries []payment.Entry
	for _, d := range b.outcomes {
		entries = append(entries, d.Entries()...)
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

// writeOutbox adds the outcomes in the order in which they were decided, which for each order is
// its sequence. Outcomes that are reported again come first: they were decided before.
func (b *batchState) writeOutbox(tx dbtx.Tx) error {
	return addOutcomes(tx, b.topics, b.now, slices.Concat(b.answers, b.outcomes))
}

func addOutcomes(tx dbtx.Tx, topics outbox.Topics, now time.Time, outcomes []Decided) error {
	messages := make([]outbox.Message, 0, len(outcomes))
	for _, d := range outcomes {
		event := d.Event()
		body, err := json.Marshal(event)
		if err != nil {
			return fmt.Errorf("encode outcome %s: %w", event.PaymentNo, err)
		}
		messages = append(messages, outbox.Message{
			Topic: settlement.TopicOutcome, ShardingKey: event.OrderID, Key: event.PaymentNo,
			Tag:         string(event.Type),
			Traceparent: d.Traceparent, Body: body,
		})
	}
	return outbox.Add(tx, topics, now, messages...)
}

// writeJournal notes the decisions for the journal, in their order.
func (b *batchState) writeJournal(tx dbtx.Tx) error {
	notes := make([]journal.Note, 0, len(b.outcomes))
	for _, d := range b.outcomes {
		notes = append(notes, journal.Note{Movement: d.Movement, Traceparent: d.Traceparent})
	}
	return journal.Add(tx, b.now, notes)
}

// writeWaiting keeps the instructions of this batch whose predecessor is not done, sorted by order
// and sequence.
func (b *batchState) writeWaiting(tx dbtx.Tx) error {
	for _, at := range b.successors.Unrecorded() {
		s := b.successors[at]
		id, err := b.keeper.Wait(tx, s.Received.Delivery, SubjectOf(s.Received.Message),
			fmt.Sprintf("the predecessor of seq %d is not done", at.Seq))
		if err != nil {
			return err
		}
		s.ID, s.New = id, true
		b.successors[at] = s
	}
	return nil
}

func (b *batchState) writeReleased(tx dbtx.Tx) error { return b.keeper.Release(tx, b.released) }

func (b *batchState) writeConflicts(tx dbtx.Tx) error {
	for _, c := range b.conflicts {
		_, err := b.keeper.Park(tx, c.Delivery, SubjectOf(c.Message), parking.CauseConflict, c.Reason)
		if err != nil {
			return fmt.Errorf("park payment %s, which is in conflict: %w", c.Message.PaymentNo, err)
		}
	}
	return nil
}

// SubjectOf is what an instruction is about.
func SubjectOf(in settlement.Instruction) parking.Subject {
	return parking.Subject{Number: in.PaymentNo, OrderingKey: in.OrderID, Seq: in.Seq}
}
