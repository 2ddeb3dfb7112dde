package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"settlement/payment-service/internal/journal"
	"settlement/payment-service/internal/payment"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

// compareRows is how many records are compared at once.
const compareRows = 500

// compareFrom goes through the records after an end. It checks that the chain is whole, and that
// the books say the same. It returns the end that it has come to, also with an error. done is
// called with the last record's position after each page.
func (a *Auditor) compareFrom(
	ctx context.Context, from end, done func(position int64),
) (at end, breaks []string, err error) {
	for at = from; ; {
		var page []recordRow
		err := a.pool.Read(ctx).Where("position > ?", at.position).Order("position").Limit(compareRows).
			Find(&page).Error
		if err != nil {
			return at, breaks, fmt.Errorf("read records after %d: %w", at.position, err)
		}

		found, err := a.compare(ctx, page)
		if err != nil {
			return at, breaks, err
		}
		misplaced, err := a.misplaced(ctx, page)
		if err != nil {
			return at, breaks, err
		}

		for _, r := range page {
			breaks = append(breaks, at.checkRow(r)...)
			at = end{r.Position, r.Hash}
		}
		breaks = slices.Concat(breaks, found, misplaced)
		done(at.position)
		if len(page) < compareRows {
			return at, breaks, nil
		}
	}
}

// checkRow checks that a kept record follows the end, and that it is what it was when it was kept.
func (e end) checkRow(r recordRow) (breaks []string) {
	add := func(format string, args ...any) {
		breaks = append(breaks, fmt.Sprintf("audit_records: record %d (payment %s) ", r.Position,
			r.PaymentNo)+fmt.Sprintf(format, args...))
	}

	if r.Position != e.position+1 {
		add("comes after record %d: those between are gone", e.position)
	}
	if hash := settlement.JournalHash(r.Body); hash != r.Hash {
		add("was changed: its body has the hash %s, and was kept with %s", hash, r.Hash)
	}

	record, err := settlement.ParseJournalRecord(r.Body)
	switch {
	case err != nil:
		add("cannot be read: %v", err)
	case record.Position != r.Position || record.PaymentNo != r.PaymentNo:
		add("has the body of record %d (payment %s)", record.Position, record.PaymentNo)
	case r.Position == e.position+1 && record.Previous != e.hash:
		add("does not follow record %d: it names %s as the hash there, which is %s",
			e.position, record.Previous, e.hash)
	}
	return breaks
}

// compare compares records with the payment numbers and the entries in the books.
func (a *Auditor) compare(ctx context.Context, records []recordRow) (breaks []string, err error) {
	if len(records) == 0 {
		return nil, nil
	}

	numbers := make([]string, 0, len(records))
	for _, r := range records {
		numbers = append(numbers, r.PaymentNo)
	}
	movements, err := a.books.Movements(ctx, numbers)
	if err != nil {
		return nil, err
	}
	entries, err := a.books.EntriesOf(ctx, numbers)
	if err != nil {
		return nil, err
	}

	for _, r := range records {
		record, err := settlement.ParseJournalRecord(r.Body)
		if err != nil {
			continue // checkRow tells of it
		}
		m, there := movements[record.PaymentNo]
		if !there {
			breaks = append(breaks, fmt.Sprintf("payment_numbers: payment %s of order %s is in the journal as record %d, and is not there",
				record.PaymentNo, record.OrderID, record.Position))
			continue
		}

		if what := differs(record, m); what != "" {
			breaks = append(breaks, fmt.Sprintf("payment_numbers: payment %s of order %s is not what record %d says: %s",
				record.PaymentNo, record.OrderID, record.Position, what))
		}
		if what := entriesDiffer(movementOf(record), entries[record.PaymentNo]); what != "" {
			breaks = append(breaks, fmt.Sprintf("entries: those of payment %s of order %s are not what record %d comes to: %s",
				record.PaymentNo, record.OrderID, record.Position, what))
		}
	}
	return breaks, nil
}

// misplaced looks back from each record of a page: at an earlier record that should come later in
// its order, and at an earlier record of its own payment number. STRAIGHT_JOIN and + 0 keep the
// optimizer from walking a whole order, or all records, for each record.
func (a *Auditor) misplaced(ctx context.Context, page []recordRow) (breaks []string, err error) {
	if len(page) == 0 {
		return nil, nil
	}

	var rows []struct {
		PaymentNo, OtherNo string
		Position, Other    int64
	}
	first, last := page[0].Position, page[len(page)-1].Position
	err = a.pool.Read(ctx).Raw("SELECT r.payment_no, r.position, q.payment_no AS other_no, o.position AS"+
		" other FROM audit_records r"+
		" STRAIGHT_JOIN payment_numbers p ON p.payment_no = r.payment_no"+
		" STRAIGHT_JOIN payment_numbers q ON q.order_id = p.order_id AND q.seq = p.seq + 1"+
		" STRAIGHT_JOIN audit_records o ON o.payment_no = q.payment_no"+
		" WHERE r.position BETWEEN ? AND ? AND o.position + 0 < r.position"+
		" UNION ALL SELECT r.payment_no, r.position, o.payment_no, o.position FROM audit_records r"+
		" STRAIGHT_JOIN audit_records o ON o.payment_no = r.payment_no"+
		" WHERE r.position BETWEEN ? AND ? AND o.position + 0 < r.position", first, last, first, last).
		Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("look for records out of their place: %w", err)
	}

	for _, r := range rows {
		what := "comes before it in its order"
		if r.OtherNo == r.PaymentNo {
			what = "has that place too"
		}
		breaks = append(breaks, fmt.Sprintf("journal: record %d, of payment %s, is behind record %d, of payment %s, and %s",
			r.Position, r.PaymentNo, r.Other, r.OtherNo, what))
	}
	return breaks, nil
}

// differs says in which fields the books differ from a record.
func differs(record settlement.JournalRecord, m payment.Movement) string {
	says := journal.RecordOf(m)
	says.Position, says.Previous = record.Position, record.Previous
	if record.DecidedAt.Equal(says.DecidedAt) {
		says.DecidedAt = record.DecidedAt
	}
	if says == record {
		return ""
	}
	return fmt.Sprintf("the journal has %s, the books have %s", terms(record), terms(says))
}

func terms(r settlement.JournalRecord) string {
	return fmt.Sprintf("order %s seq %d %s %s %q %s of account %s at %s",
		r.OrderID, r.Seq, r.Type, r.Outcome, r.Reason, r.Amount, r.AccountID, r.DecidedAt.UTC().
			Format("2006-01-02T15:04:05.000000Z"))
}

func movementOf(r settlement.JournalRecord) payment.Movement {
	return payment.Movement{
		PaymentNo: r.PaymentNo, OrderID: r.OrderID, Seq: r.Seq, Type: r.Type, Outcome: r.Outcome,
		Reason:    r.Reason,
		AccountID: r.AccountID, Amount: r.Amount, CreatedAt: r.DecidedAt,
	}
}

// line is an entry without its id and time.
type line struct {
	account string
	amount  money.Money
	kind    payment.EntryKind
}

func entriesDiffer(m payment.Movement, found []payment.Entry) string {
	want, got := lines(m.Entries()), lines(found)
	if slices.Equal(want, got) {
		return ""
	}
	return fmt.Sprintf("want %v, found %v", want, got)
}

func lines(entries []payment.Entry) []line {
	all := make([]line, 0, len(entries))
	for _, e := range entries {
		all = append(all, line{e.AccountID, e.Amount, e.Kind})
	}
	slices.SortFunc(all, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.amount.Minor, b.amount.Minor),
			cmp.Compare(a.kind, b.kind))
	})
	return all
}
