package checker

import (
	"fmt"
	"strings"
)

// The accounts without a row: the other sides of every movement.
const (
	merchant = "00000000-0000-7000-8000-000000000001"
	outside  = "00000000-0000-7000-8000-000000000002"
)

// kindDeposit is the kind of the entries that belong to no instruction.
const kindDeposit = "deposit"

// checkEntries looks at the entries of each payment number and of each deposit.
func (s *state) checkEntries(f *findings) {
	counted := map[string]int{} // entries, by payment or deposit number
	for rest := s.entries; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].PaymentNo == rest[0].PaymentNo {
			n++
		}
		of := rest[:n]
		rest = rest[n:]
		counted[of[0].PaymentNo] = len(of)
		s.checkEntriesOf(f, of)
	}

	for no, d := range s.decided {
		asks := 0
		if d.Outcome == "paid" || d.Outcome == "refunded" {
			asks = 2
		}
		if counted[no] != asks {
			f.add(All, "a payment number has not the entries that its outcome asks for", d.OrderID, no,
				"outcome", d.Outcome, "entries", counted[no])
		}
	}
}

// checkEntriesOf checks all entries of one number, which are sorted by account.
func (s *state) checkEntriesOf(f *findings, entries []*entryRow) {
	no := entries[0].PaymentNo
	d, isDecided := s.decided[no]
	if !isDecided {
		d = &movement{}
	}

	sums := map[string]int64{} // by currency
	fromOutside, intoWallet := 0, 0
	for i, e := range entries {
		sums[e.Currency] += e.Minor
		wallet, isWallet := s.accounts[e.AccountID]
		row := []any{
			"account_id", e.AccountID, "amount_minor", e.Minor, "currency", e.Currency, "kind", e.Kind,
		}
		if i > 0 && entries[i-1].AccountID == e.AccountID {
			f.add(Double, "a payment number moved an account more than once", d.OrderID, no, row...)
		}
		if e.AccountID != merchant && e.AccountID != outside && (!isWallet || wallet.Currency != e.Currency) {
			f.add(Money, "an entry is on no account, or in another currency than the account", d.OrderID, no,
				append(row, "accounts.currency", wallet.Currency)...)
		}

		switch {
		case isDecided && (e.Currency != d.Terms.Currency || e.Kind != d.Type ||
			e.Minor != d.moves(e.AccountID)):
			f.add(Money, "an entry is not what its payment asks of that account", d.OrderID, no,
				append(row, "type", d.Type, "outcome", d.Outcome, "payment_numbers", d.Terms)...)
		case !isDecided && e.Kind != kindDeposit:
			f.add(All, "entries have no payment number", "", no, row...)
		case !isDecided && e.AccountID == outside && e.Minor < 0:
			fromOutside++
		case !isDecided && isWallet && e.Minor > 0:
			intoWallet++
		}
	}

	for currency, sum := range sums {
		if sum != 0 {
			f.add(Money, "entries of a payment number do not sum to zero", d.OrderID, no, "currency",
				currency, "sum", sum, "entries", shown(entries))
		}
	}

	if entries[0].Kind == kindDeposit && (len(entries) != 2 || fromOutside != 1 || intoWallet != 1) {
		f.add(Money, "a deposit is not one entry from outside and one into a wallet",
			"", no, "entries", shown(entries))
	}
}

// shown formats entries for a violation.
func shown(entries []*entryRow) string {
	texts := make([]string, len(entries))
	for i, e := range entries {
		texts[i] = fmt.Sprintf("%+v", *e)
	}
	return strings.Join(texts, " ")
}

// moves is the amount that the payment number adds to an account.
func (m *movement) moves(accountID string) int64 {
	var toMerchant int64
	switch m.Outcome {
	case "paid":
		toMerchant = m.Terms.Minor
	case "refunded":
		toMerchant = -m.Terms.Minor
	}

	switch accountID {
	case merchant:
		return toMerchant
	case m.Terms.AccountID:
		return -toMerchant
	}
	return 0
}

// checkWallets sums up each wallet twice: from its entries, and from what was asked for and
// decided. The second sum is needed because a mistake in how entries are written is in every sum of
// entries too.
func (s *state) checkWallets(f *findings) {
	type sums struct{ entries, deposits, debits, refunds int64 }
	of := make(map[string]sums, len(s.accounts))
	add := func(id string, change func(w *sums)) {
		w := of[id]
		change(&w)
		of[id] = w
	}

	for _, e := range s.entries {
		if e.Currency == s.accounts[e.AccountID].Currency {
			add(e.AccountID, func(w *sums) { w.entries += e.Minor })
		}
	}

	for _, k := range s.paymentKeys {
		if a := k.Answer; a.isDeposit() {
			add(a.AccountID, func(w *sums) { w.deposits += a.Amount.Minor })
		}
	}
	for _, d := range s.decided {
		switch d.Outcome {
		case "paid":
			add(d.Terms.AccountID, func(w *sums) { w.debits += d.Terms.Minor })
		case "refunded":
			add(d.Terms.AccountID, func(w *sums) { w.refunds += d.Terms.Minor })
		}
	}

	for id, account := range s.accounts {
		w := of[id]
		if account.Minor < 0 {
			f.add(Money, "a wallet is below zero", "", "", "account_id", id, "balance_minor", account.Minor)
		}
		if account.Minor != w.entries {
			f.add(Money, "a wallet is not the sum of its entries", "", "", "account_id", id, "balance_minor",
				account.Minor, "entries", w.entries)
		}
		if account.Minor != w.deposits-w.debits+w.refunds {
			f.add(Money, "a wallet is not its deposits - debits + refunds", "", "", "account_id", id,
				"balance_minor", account.Minor, "deposits", w.deposits, "debits", w.debits, "refunds",
				w.refunds)
		}
	}
}
