package audit

import (
	"context"
	"fmt"
	"slices"

	"settlement/shared/settlement"
)

// absent are the decided payment numbers that no record is of, with their orders.
func (a *Auditor) absent(ctx context.Context) (map[string]string, error) {
	var rows []struct{ PaymentNo, OrderID string }
	err := a.tape.pool.Read(ctx).Raw("SELECT p.payment_no, p.order_id FROM payment_numbers p" +
		" LEFT JOIN audit_records r ON r.payment_no = p.payment_no WHERE r.payment_no IS NULL").Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("look for payment numbers that the journal does not have: %w", err)
	}
	absent := make(map[string]string, len(rows))
	for _, r := range rows {
		absent[r.PaymentNo] = r.OrderID
	}
	return absent, nil
}

// leaveOutUnderWay takes those out of absent that have no place yet or wait in the outbox. In this order: a decision that
// moves on in between is seen at its next station.
func (a *Auditor) leaveOutUnderWay(ctx context.Context, absent map[string]string) error {
	var pending, unsent []string
	db := a.tape.pool.Read(ctx)
	if err := db.Raw("SELECT payment_no FROM journal_pending").Scan(&pending).Error; err != nil {
		return fmt.Errorf("read what has no place in the journal yet: %w", err)
	}
	if err := db.Raw("SELECT message_key FROM outbox WHERE topic = ?", settlement.TopicJournal).Scan(&unsent).Error; err != nil {
		return fmt.Errorf("read what waits to be sent to the journal: %w", err)
	}
	for _, no := range slices.Concat(pending, unsent) {
		delete(absent, no)
	}
	return nil
}

// findings are the messages of the topic that were no part of the chain, in this audit and before.
func (a *Auditor) findings(ctx context.Context) (breaks []string, err error) {
	var rows []findingRow
	if err := a.tape.pool.Read(ctx).Order("queue_offset").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	for _, f := range rows {
		breaks = append(breaks, f.String())
	}
	return breaks, nil
}

// amiss are questions about the books that each record alone does not answer.
func (a *Auditor) amiss(ctx context.Context) (breaks []string, err error) {
	for _, question := range []struct{ what, query string }{
		{
			"journal: payment %s is in it more than once",
			"SELECT payment_no FROM audit_records GROUP BY payment_no HAVING COUNT(*) > 1",
		},
		{
			"entries: money was moved under %s, which is no payment number",
			"SELECT DISTINCT e.payment_no FROM entries e LEFT JOIN payment_numbers p ON p.payment_no = e.payment_no WHERE e.kind <> 'deposit' AND p.payment_no IS NULL",
		},
		{
			"entries: those of %s do not sum to zero",
			"SELECT payment_no FROM entries GROUP BY payment_no, currency HAVING SUM(amount_minor) <> 0",
		},
		{
			"accounts: the balance of wallet %s is not the sum of its entries",
			"SELECT a.id FROM accounts a LEFT JOIN entries e ON e.account_id = a.id GROUP BY a.id, a.balance_minor HAVING a.balance_minor <> COALESCE(SUM(e.amount_minor), 0)",
		},
	} {
		var found []string
		if err := a.tape.pool.Read(ctx).Raw(question.query).Scan(&found).Error; err != nil {
			return nil, fmt.Errorf("audit the books: %w", err)
		}
		for _, id := range found {
			breaks = append(breaks, fmt.Sprintf(question.what, id))
		}
	}
	return breaks, nil
}
