package checker

import (
	"context"
	"database/sql"
	"fmt"

	"settlement/e2e/traffic"
	contract "settlement/shared/settlement"
)

func (s *state) readJournalPending(ctx context.Context, tx *sql.Tx) error {
	return read(ctx, tx, "SELECT id, payment_no, CAST(created_at AS CHAR) FROM journal_pending",
		func(o *outboxRow) []any { return []any{&o.ID, &o.PaymentNo, &o.At} },
		func(o *outboxRow) { s.unplaced = append(s.unplaced, *o) })
}

// checkUnplaced looks for decisions that have no place in the journal.
func (s *state) checkUnplaced(f *findings) {
	for _, o := range s.unplaced {
		f.add(Lost, "a decision has no place in the journal", "",
			o.PaymentNo, "journal_pending.id", o.ID, "created_at", o.At)
	}
}

// CheckJournal compares all messages of the topic journal with the payments database. The records
// have to be one chain without a gap, in which each follows the one before (O) and each order keeps
// its sequence (O). Every decided number has to be there once, as it was decided (A). Copies of a
// record may come at any time after it. Messages that cannot be read are left aside.
func (c *Checker) CheckJournal(ctx context.Context, messages []traffic.Message) ([]Violation, error) {
	var f findings
	err := c.look(ctx, func(s *state) { s.checkJournal(&f, inOrder(messages)) })
	if err != nil {
		return nil, fmt.Errorf("check journal: %w", err)
	}
	return f.sorted(), nil
}

func (s *state) checkJournal(f *findings, messages []traffic.Message) {
	bodies := []string{""}       // by position, from 1
	places := map[string]int64{} // by payment number
	seqs := map[string]int64{}   // by order: the last
	previous := contract.JournalOrigin

	for _, m := range messages {
		r, err := contract.ParseJournalRecord(m.Body)
		if err != nil {
			continue
		}

		where := append(place(m), "position", r.Position)
		end := int64(len(bodies) - 1)
		switch {
		case m.Queue != 0:
			f.add(Order, "the journal is in more than one queue", r.OrderID, r.PaymentNo, where...)
			continue
		case r.Position <= end && bodies[r.Position] == string(m.Body):
			continue
		case r.Position <= end:
			f.add(Order, "one place of the journal has two records", r.OrderID, r.PaymentNo,
				append(where, "body", string(m.Body), "other", bodies[r.Position])...)
			continue
		case r.Position > end+1:
			f.add(Order, "the journal has a gap", r.OrderID, r.PaymentNo, append(where, "expected", end+1)...)
			return // every later record would be reported too
		case r.Previous != previous:
			f.add(Order, "a record of the journal does not follow the one before", r.OrderID, r.PaymentNo,
				append(where, "previous", r.Previous, "expected", previous)...)
		}

		bodies, previous = append(bodies, string(m.Body)), contract.JournalHash(m.Body)
		if at, twice := places[r.PaymentNo]; twice {
			f.add(All, "a payment number is in the journal twice", r.OrderID, r.PaymentNo,
				append(where, "first", at)...)
		}
		places[r.PaymentNo] = r.Position
		if r.Seq != seqs[r.OrderID]+1 {
			f.add(Order, "an order's records in the journal are not in its sequence", r.OrderID, r.PaymentNo,
				append(where, "seq", r.Seq, "after", seqs[r.OrderID])...)
		}
		seqs[r.OrderID] = r.Seq
		s.checkRecord(f, r, where)
	}

	for no, d := range s.decided {
		if places[no] == 0 {
			f.add(All, "decided, and not in the journal", d.OrderID, no, "seq", d.Seq, "outcome", d.Outcome)
		}
	}
}

func (s *state) checkRecord(f *findings, r contract.JournalRecord, where []any) {
	d, isDecided := s.decided[r.PaymentNo]
	of := terms{AccountID: r.AccountID, Minor: r.Amount.Minor, Currency: string(r.Amount.Currency)}
	switch {
	case !isDecided:
		f.add(All, "the journal has a payment number that is not recorded", r.OrderID, r.PaymentNo, where...)
	case r.OrderID != d.OrderID || r.Seq != d.Seq || string(r.Type) != d.Type ||
		string(r.Outcome) != d.Outcome || r.Reason != d.Reason || of != d.Terms:
		f.add(All, "a record of the journal is not what was decided", d.OrderID, d.PaymentNo,
			append(where, "journal", r, "payment_numbers", *d)...)
	}
}
