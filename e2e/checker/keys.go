package checker

// made is what a remembered answer made: the kind of thing and its id.
type made struct{ kind, id string }

const (
	anOrder        = "order"
	aWallet        = "wallet"
	aDeposit       = "deposit"
	anInstruction  = "instruction"
	noKeyOf        = "made, and no Idempotency-Key answers for it"
	answerMadeNone = "answered under an Idempotency-Key, and not there"
)

// makes is the zero value when the answer made nothing: a refusal, an operator's decision.
func (k keyRow) makes() made {
	switch a := k.Answer; {
	case a.isDeposit():
		return made{aDeposit, a.DepositNo}
	case a.isWallet():
		return made{aWallet, a.ID}
	case a.isOrder():
		return made{anOrder, a.ID}
	case a.isAccepted():
		return made{anInstruction, a.PaymentNo}
	}
	return made{}
}

// checkKeys compares the remembered answers with what they speak of: everything that is
// there was made by exactly one key, and everything that was answered is there.
func (s *state) checkKeys(f *findings) {
	keyOf := map[made]string{}
	for _, keys := range []map[string]keyRow{s.orderKeys, s.paymentKeys} {
		for key, k := range keys {
			if k.Result == "" && k.RefusalCode == "" {
				f.add(Key, "a key is taken and has no answer", "", "", "idem_key", key)
			}
			it := k.makes()
			if it == (made{}) {
				continue
			}
			if other, twice := keyOf[it]; twice {
				f.add(Key, "two keys have the same answer", k.Answer.OrderID, k.Answer.PaymentNo,
					it.kind, it.id, "idem_key", min(key, other), "other_key", max(key, other))
			}
			keyOf[it] = key
		}
	}
	s.checkMade(f, keyOf)
	s.checkAnswered(f, keyOf)
}

// checkMade looks for what no key answers for: the trace of a request that was done twice,
// or done and then answered as refused.
func (s *state) checkMade(f *findings, keyOf map[made]string) {
	answered := func(kind, id string) bool {
		_, ok := keyOf[made{kind, id}]
		return ok
	}
	for id, o := range s.orders {
		if !answered(anOrder, id) {
			f.add(Key, "an order was "+noKeyOf, id, "", "status", o.Status, "seq", o.Seq)
		}
		if o.PaymentNo != "" && !answered(anInstruction, o.PaymentNo) {
			f.add(Key, "an instruction was "+noKeyOf, id, o.PaymentNo, "status", o.Status, "seq", o.Seq)
		}
	}
	for no, a := range s.applied {
		if o := s.orders[a.OrderID]; o.PaymentNo != no && !answered(anInstruction, no) {
			f.add(Key, "an instruction was "+noKeyOf, a.OrderID, no, "seq", a.Seq, "type", a.Type)
		}
	}
	for id, w := range s.accounts {
		if !answered(aWallet, id) {
			f.add(Key, "a wallet was "+noKeyOf, "", "", "account_id", id, "balance_minor", w.Minor)
		}
	}
	for no, d := range s.deposits {
		if !answered(aDeposit, no) {
			f.add(Key, "a deposit was "+noKeyOf, "", no, "account_id", d.AccountID, "amount_minor", d.Minor)
		}
	}
}

// checkAnswered looks for answers that made nothing. Instructions are checkEnded's.
func (s *state) checkAnswered(f *findings, keyOf map[made]string) {
	for it, key := range keyOf {
		switch it.kind {
		case anOrder:
			if _, ok := s.orders[it.id]; !ok {
				f.add(Lost, "an order was "+answerMadeNone, it.id, "", "idem_key", key)
			}
		case aWallet:
			if _, ok := s.accounts[it.id]; !ok {
				f.add(Lost, "a wallet was "+answerMadeNone, "", "", "account_id", it.id, "idem_key", key)
			}
		case aDeposit:
			a, d := s.paymentKeys[key].Answer, s.deposits[it.id]
			if d.AccountID != a.AccountID || d.Minor != a.Amount.Minor || d.Currency != a.Amount.Currency {
				f.add(Lost, "a deposit was "+answerMadeNone, "", it.id, "idem_key", key,
					"account_id", a.AccountID, "amount_minor", a.Amount.Minor, "entry.account_id", d.AccountID, "entry.amount_minor", d.Minor)
			}
		}
	}
}
