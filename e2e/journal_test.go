package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"settlement/e2e/stack/service"
	"settlement/e2e/traffic"
	"settlement/e2e/wait"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// audit runs the auditor once and returns what it printed; broken says whether it found something.
func (s *shop) audit(flags ...string) (printed string, broken bool) {
	s.t.Helper()
	printed, err := running.Service(service.Payment).
		Exec(s.t.Context(), append([]string{"audit"}, flags...)...)
	if broken = strings.Contains(printed, "BREAK"); broken != (err != nil) {
		s.t.Fatalf("error %v after\n%s", err, printed)
	}
	return printed, broken
}

func (s *shop) wantWhole() {
	s.t.Helper()
	if printed, broken := s.audit(); broken {
		s.t.Fatalf("the journal or the books are broken:\n%s", printed)
	}
}

// wantBroken wants an audit to name all of this in one line.
func (s *shop) wantBroken(wanted ...string) {
	s.t.Helper()
	printed, _ := s.audit()
	for line := range strings.Lines(printed) {
		all := strings.HasPrefix(line, "BREAK")
		for _, w := range wanted {
			all = all && strings.Contains(line, w)
		}
		if all {
			return
		}
	}
	s.t.Errorf("want a break that names %q in\n%s", wanted, printed)
}

// The journal has every decision of the suite so far, in one sequence over everything. The auditor
// finds whatever is changed in the books or put into the topic afterwards, and says where.
func TestTheJournalShowsWhatWasTamperedWith(t *testing.T) {
	const orders = 40
	s := openShop(t)
	wallet := s.wallet(orders * 100)
	placed := s.orders(orders, wallet, 100)
	s.settleAll(placed, noChaos)
	first := s.wantStatus(placed[0], "paid", quickly)
	for _, id := range placed[1:] {
		s.wantStatus(id, "paid", quickly)
	}
	s.wantBooksRight(quickly)
	s.wantWhole()

	journal := s.journal()
	violations, err := s.check.CheckJournal(t.Context(), journal)
	if err != nil || len(violations) > 0 {
		t.Errorf("the checker, which reads the topic its own way, finds %v, error %v", violations, err)
	}

	for _, c := range []struct{ table, change, undo string }{
		{
			"entries", "UPDATE entries SET amount_minor = 2 * amount_minor WHERE payment_no = ?",
			"UPDATE entries SET amount_minor = amount_minor / 2 WHERE payment_no = ?",
		},
		{
			"payment_numbers", "UPDATE payment_numbers SET outcome = 'declined' WHERE payment_no = ?",
			"UPDATE payment_numbers SET outcome = 'paid' WHERE payment_no = ?",
		},
		{
			"audit_records",
			"UPDATE audit_records SET body = REPLACE(body, 'paid', 'PAID') WHERE payment_no = ?",
			"UPDATE audit_records SET body = REPLACE(body, 'PAID', 'paid') WHERE payment_no = ?",
		},
	} {
		s.exec(c.change, first.PaymentNo)
		s.wantBroken(c.table, first.PaymentNo)
		s.exec(c.undo, first.PaymentNo)
	}
	s.wantWhole()

	forged := journal[len(journal)-1]
	s.publishRecord(strings.Replace(string(forged.Body), `"minor":100`, `"minor":1`, 1))
	s.publishRecord("no record at all")
	last, err := settlement.ParseJournalRecord(forged.Body)
	if err != nil {
		t.Fatal(err)
	}
	s.publishRecord(s.next(last, last.Previous)) // as if the last one had never been
	s.wantBroken("another record", last.PaymentNo)
	s.wantBroken("is no journal record")
	s.wantBroken(fmt.Sprint("is record ", last.Position+1),
		"does not follow record", fmt.Sprint(last.Position))

	// True records go on behind the forged ones. The findings stay until an operator has taken
	// note.
	s.settle(s.order(s.wallet(100), 100))
	s.wantBooksRight(quickly)
	s.wantBroken("is no journal record")
	s.exec("DELETE FROM audit_findings")
	s.wantWhole()

	// A forged record that fits keeps the true one out, until an operator says which of them
	// counts.
	journal = s.journal()
	body := journal[len(journal)-1].Body
	for _, m := range journal { // the last one that the auditor has taken, not the last that was forged
		if r, err := settlement.ParseJournalRecord(m.Body); err == nil &&
			r.Position == s.count("SELECT MAX(position) FROM audit_records") {
			last, body = r, m.Body
		}
	}

	s.publishRecord(s.next(last, settlement.JournalHash(body)))
	s.wantBroken("payment_numbers", "is in the journal", "is not there")
	paid := s.settle(s.order(s.wallet(100), 100))
	s.wantBooksRight(quickly)
	s.wantBroken("another record", paid.PaymentNo)
	for _, m := range s.journal() {
		if m.Key == paid.PaymentNo {
			s.audit("--resume-at", fmt.Sprint(m.Offset), "--why", "a test tampered with it")
		}
	}

	s.wantBroken("said so: a test tampered with it")
	s.exec("DELETE FROM audit_findings")
	s.wantWhole()
}

// journal reads the topic up to the last decision.
func (s *shop) journal() (messages []traffic.Message) {
	s.t.Helper()
	wait.Until(s.t, quickly, func() (err error) {
		if messages, err = traffic.Messages(s.t.Context(), running.NamesrvAddr,
			settlement.TopicJournal); err != nil {
			return err
		}
		if want := s.count("SELECT COUNT(*) FROM payment_numbers"); int64(len(messages)) < want {
			return fmt.Errorf("the journal has %d records of %d decisions", len(messages), want)
		}
		return nil
	})
	return messages
}

// next returns a record for the next place, under a payment number that was never decided.
func (s *shop) next(last settlement.JournalRecord, previous string) string {
	s.t.Helper()
	last.Position, last.Previous, last.PaymentNo = last.Position+1, previous, key()
	body, err := json.Marshal(last)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

// publishRecord publishes to the journal, as only payment-service should, and waits until it can be
// read.
func (s *shop) publishRecord(body string) {
	s.t.Helper()
	mq, err := rocketmq.NewProducer(rocketmq.ProducerConfig{
		Namesrv: running.NamesrvAddr, Group: "forger", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = mq.Close() }()

	m := rocketmq.Message{Topic: settlement.TopicJournal, Key: key(), Body: []byte(body)}
	if _, err := mq.SendBatch(context.WithoutCancel(s.t.Context()), m.Topic, 0, settlement.JournalQueues,
		[]rocketmq.Message{m}); err != nil {
		s.t.Fatal(err)
	}

	wait.Until(s.t, quickly, func() error {
		all, err := traffic.Messages(s.t.Context(), running.NamesrvAddr, settlement.TopicJournal)
		if err == nil && (len(all) == 0 || string(all[len(all)-1].Body) != body) {
			err = fmt.Errorf("the record cannot be read yet")
		}
		return err
	})
}

func (s *shop) exec(query string, args ...any) {
	s.t.Helper()
	if _, err := s.books.ExecContext(s.t.Context(), query, args...); err != nil {
		s.t.Fatal(err)
	}
}
