package checker

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// depositDoubt is how long after its time a deposit may have been committed. A decline within this
// span may or may not have seen the money.
const depositDoubt = 5 * time.Second

// The reasons of a decline. The first three depend on the wallet, the last one on the order.
const (
	insufficientFunds = "insufficient_funds"
	unknownAccount    = "unknown_account"
	currencyMismatch  = "currency_mismatch"
	alreadyPaid       = "already_paid"
)

// checkDeclines looks for declines that were not due. Each decision locks the wallet's row, so the
// ids of one wallet's numbers are in the order of the transactions that decided them. The numbers
// of one transaction are in no order, and they have the same time.
func (s *state) checkDeclines(f *findings) {
	byWallet := map[string][]*movement{}
	for _, m := range s.decided {
		byWallet[m.Terms.AccountID] = append(byWallet[m.Terms.AccountID], m)
	}

	deposits := map[string][]entryRow{}
	for _, d := range s.deposits {
		deposits[d.AccountID] = append(deposits[d.AccountID], d)
	}

	for _, id := range slices.Sorted(maps.Keys(byWallet)) {
		of := byWallet[id]
		slices.SortFunc(of, func(a, b *movement) int { return cmp.Compare(a.ID, b.ID) })
		for i, m := range of {
			if m.Outcome == "declined" {
				s.checkDecline(f, m, of[:i], of[i+1:], deposits[id])
			}
		}
	}
}

// checkDecline checks one decline. before and behind are the other numbers of its wallet, by id.
func (s *state) checkDecline(f *findings, m *movement, before, behind []*movement, deposits []entryRow) {
	wallet, there := s.accounts[m.Terms.AccountID]
	switch m.Reason {
	case insufficientFunds:
		if held := heldAtLeast(m, before, behind, deposits); held >= m.Terms.Minor {
			f.add(All, "declined for want of money that was there", m.OrderID, m.PaymentNo, "seq", m.Seq,
				"account_id", m.Terms.AccountID, "amount_minor", m.Terms.Minor, "held_at_least", held, "id",
				m.ID, "decided_at", m.At)
		}
	case currencyMismatch:
		if there && wallet.Currency == m.Terms.Currency {
			f.add(All, "declined for a currency that is the wallet's",
				m.OrderID, m.PaymentNo, "seq", m.Seq, "payment_numbers", m.Terms)
		}
	case unknownAccount, alreadyPaid: // for checkOutcome and checkSteps
	default:
		f.add(All, "declined for a reason that nobody can check",
			m.OrderID, m.PaymentNo, "seq", m.Seq, "reason", m.Reason)
	}
}

// heldAtLeast is what m's wallet certainly held when m was decided. Of the other numbers of m's
// transaction, each debit counts as before m, and no refund does.
func heldAtLeast(m *movement, before, behind []*movement, deposits []entryRow) (held int64) {
	for _, d := range deposits {
		if surelyBefore(d.At, m.At) {
			held += d.Minor
		}
	}

	for _, other := range before {
		if moved := other.moves(m.Terms.AccountID); other.At != m.At || moved < 0 {
			held += moved
		}
	}

	for _, other := range behind {
		if moved := other.moves(m.Terms.AccountID); other.At == m.At && moved < 0 {
			held += moved
		}
	}
	return held
}

// surelyBefore reports whether a is more than depositDoubt before b. Both are times as the database
// shows them.
func surelyBefore(a, b string) bool {
	const layout = "2006-01-02 15:04:05.999999"
	at, err := time.Parse(layout, a)
	if err != nil {
		return false
	}
	bt, err := time.Parse(layout, b)
	return err == nil && at.Add(depositDoubt).Before(bt)
}
