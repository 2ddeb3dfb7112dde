package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"settlement/shared/outbox"
	"settlement/shared/settlement"
)

// rangeRows is how many rows one query covers: the driver waits 10 s for an answer, and the tables
// grow for ever.
const rangeRows = 20_000

// inRanges calls ask for one range of a table's ids after another. Ranges are counted in rows,
// because ids may have gaps of any size.
func (a *Auditor) inRanges(
	ctx context.Context, table string, after uint64, ask func(after, to uint64) error,
) error {
	for {
		to := []uint64{}
		err := a.pool.Read(ctx).Raw("SELECT id FROM "+table+" WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?",
			after, rangeRows-1).Scan(&to).Error
		if err != nil {
			return fmt.Errorf("audit %s behind id %d: %w", table, after, err)
		}

		last := len(to) == 0
		if last {
			to = append(to, math.MaxUint64)
		}
		if err := ask(after, to[0]); err != nil {
			return fmt.Errorf("audit %s behind id %d: %w", table, after, err)
		}
		if last {
			return nil
		}
		after = to[0]
	}
}

// absent returns the payment numbers that were decided since the journal began and have no record,
// with their orders.
func (a *Auditor) absent(ctx context.Context) (map[string]string, error) {
	db := a.pool.Read(ctx)
	var began []uint64
	if err := db.Raw("SELECT began_after FROM journal_head WHERE id = 1").Scan(&began).Error; err != nil {
		return nil, fmt.Errorf("read where the journal began: %w", err)
	}
	if len(began) == 0 {
		return nil, errors.New("table journal_head is empty: where the journal began is not known any more, restore the row with id 1")
	}

	absent := map[string]string{}
	err := a.inRanges(ctx, "payment_numbers", began[0], func(after, to uint64) error {
		var rows []struct{ PaymentNo, OrderID string }
		err := db.Raw("SELECT p.payment_no, p.order_id FROM payment_numbers p LEFT JOIN audit_records r ON"+
			" r.payment_no = p.payment_no"+
			" WHERE p.id > ? AND p.id <= ? AND r.payment_no IS NULL", after, to).Scan(&rows).Error
		for _, r := range rows {
			absent[r.PaymentNo] = r.OrderID
		}
		return err
	})
	return absent, err
}

// leaveOutRecorded removes from absent the payment numbers whose records have come meanwhile.
func (a *Auditor) leaveOutRecorded(ctx context.Context, absent map[string]string) error {
	for numbers := range slices.Chunk(slices.Collect(maps.Keys(absent)), compareRows) {
		var found []string
		if err := a.pool.Read(ctx).Raw("SELECT payment_no FROM audit_records WHERE payment_no IN ?", numbers).
			Scan(&found).Error; err != nil {
			return fmt.Errorf("look for %d payment numbers in the journal: %w", len(numbers), err)
		}
		for _, no := range found {
			delete(absent, no)
		}
	}
	return nil
}

// leaveOutUnderWay removes from absent the payment numbers that have no place in the journal yet,
// and those that wait in the outbox. It looks in this order, so that a decision that moves on in
// between is seen at its next station.
func (a *Auditor) leaveOutUnderWay(ctx context.Context, absent map[string]string) error {
	var pending []string
	if err := a.pool.Read(ctx).Raw("SELECT payment_no FROM journal_pending").Scan(&pending).
		Error; err != nil {
		return fmt.Errorf("read what has no place in the journal yet: %w", err)
	}
	unsent, err := outbox.Keys(ctx, a.pool, settlement.TopicJournal)
	if err != nil {
		return err
	}

	for _, no := range slices.Concat(pending, unsent) {
		delete(absent, no)
	}
	return nil
}

// findings returns what is wrong with the messages of the topic behind an offset, found in this
// audit or before, and the offset of the last of them.
func (a *Auditor) findings(ctx context.Context, after int64) (breaks []string, last int64, err error) {
	var rows []findingRow
	if err := a.pool.Read(ctx).Where("queue_offset > ?", after).Order("queue_offset").Find(&rows).
		Error; err != nil {
		return nil, after, fmt.Errorf("read findings: %w", err)
	}
	for _, f := range rows {
		breaks, after = append(breaks, f.String()), f.QueueOffset
	}
	return breaks, after, nil
}

// amiss finds what is wrong within the books, where no record of the journal shows it: money that
// moved under no payment number, entries that do not sum to zero, and balances that are not the sum
// of their entries.
func (a *Auditor) amiss(ctx context.Context) (breaks []string, err error) {
	db := a.pool.Read(ctx)
	ask := func(what, query string, args ...any) error {
		var found []string
		err := db.Raw(query, args...).Scan(&found).Error
		for _, id := range found {
			breaks = append(breaks, fmt.Sprintf(what, id))
		}
		return err
	}

	err = a.inRanges(ctx, "entries", 0, func(after, to uint64) error {
		return errors.Join(
			ask("entries: money was moved under %s, which is no payment number",
				"SELECT DISTINCT e.payment_no FROM entries e LEFT JOIN payment_numbers p ON p.payment_no ="+
					" e.payment_no"+
					" WHERE e.id > ? AND e.id <= ? AND e.kind <> 'deposit' AND p.payment_no IS NULL", after,
				to),
			// All entries of a number belong to the range of its first entry.
			ask("entries: those of %s do not sum to zero",
				"SELECT e.payment_no FROM (SELECT DISTINCT payment_no FROM entries WHERE id > ? AND id <= ?)"+
					" r JOIN entries e ON e.payment_no = r.payment_no"+
					" GROUP BY e.payment_no, e.currency HAVING SUM(e.amount_minor) <> 0 AND MIN(e.id) > ?",
				after, to, after))
	})
	if err != nil {
		return breaks, err
	}

	wrong, err := a.wallets(ctx)
	return append(breaks, wrong...), err
}
