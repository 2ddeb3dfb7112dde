package checker

// The kinds of things that a remembered answer can have made.
const (
	anOrder       = "order"
	aWallet       = "wallet"
	aDeposit      = "deposit"
	anInstruction = "instruction"
)

const (
	noKeyOf  = "made, and no Idempotency-Key answers for it"
	notThere = "answered under an Idempotency-Key, and is not there"
)

// makes returns the kind and the id of what the answer made; ids are unique across kinds. Both are
// empty when the answer made nothing: a refusal, an operator's decision.
func (a *answer) makes() (kind, id string) {
	switch {
	case a.isDeposit():
		return aDeposit, a.DepositNo
	case a.isWallet():
		return aWallet, a.ID
	case a.isOrder():
		return anOrder, a.ID
	case a.isAccepted():
		return anInstruction, a.PaymentNo
	}
	return "", ""
}

// checkKeys compares the remembered answers with what they speak of: everything that is
// there was made by exactly one key, and everything that was answered is there.
func (s *state) checkKeys(f *findings) {
	keyOf := make(map[string]*keyRow, len(s.orderKeys)+len(s.paymentKeys)) // by what it made
	for _, keys := range []map[string]*keyRow{s.orderKeys, s.paymentKeys} {
		for key, k := range keys {
			if k.Result == "" && k.RefusalCode == "" {
				f.add(Key, "a key is taken and has no answer", "", "", "idem_key", k.Key)
			}

			kind, id := k.Answer.makes()
			if id == "" {
				continue
			}
			if other, twice := keyOf[id]; twice {
				f.add(Key, "two keys have the same answer", k.Answer.OrderID, k.Answer.PaymentNo,
					kind, id, "idem_key", min(key, other.Key), "other_key", max(key, other.Key))
			}
			keyOf[id] = k
		}
	}

	s.checkMade(f, keyOf)
	s.checkAnswered(f, keyOf)
}

// checkMade looks for effects that no key answers for. They are the trace of a request that was
// done twice, or that was done and then answered as refused.
func (s *state) checkMade(f *findings, keyOf map[string]*keyRow) {
	answered := func(kind, id string) bool {
		k, ok := keyOf[id]
		if !ok {
			return false
		}
		of, _ := k.Answer.makes()
		return of == kind
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
		if o, ok := s.orders[a.OrderID]; (!ok || o.PaymentNo != no) && !answered(anInstruction, no) {
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

// checkAnswered looks for answers whose order, wallet or deposit is not there. checkEnded looks at
// the instructions.
func (s *state) checkAnswered(f *findings, keyOf map[string]*keyRow) {
	for id, k := range keyOf {
		switch kind, _ := k.Answer.makes(); kind {
		case anOrder:
			if _, ok := s.orders[id]; !ok {
				f.add(Lost, "an order was "+notThere, id, "", "idem_key", k.Key)
			}
		case aWallet:
			if _, ok := s.accounts[id]; !ok {
				f.add(Lost, "a wallet was "+notThere, "", "", "account_id", id, "idem_key", k.Key)
			}
		case aDeposit:
			a, d := k.Answer, s.deposits[id]
			if d.AccountID != a.AccountID || d.Minor != a.Amount.Minor || d.Currency != a.Amount.Currency {
				f.add(Lost, "a deposit was "+notThere, "", id, "idem_key", k.Key,
					"account_id", a.AccountID, "amount_minor", a.Amount.Minor, "entry.account_id",
					d.AccountID, "entry.amount_minor", d.Minor)
			}
		}
	}
}
