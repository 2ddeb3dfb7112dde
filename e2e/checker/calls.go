package checker

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// codeReused is the code of the answer to a key that came with another request before.
const codeReused = "idempotency_key_reused"

// CheckCalls compares what clients were told with what the databases keep. Each key has one answer,
// and it is the one remembered under the key (K). Whatever was answered as done is there, and each
// accepted instruction is decided or with an operator (L). Check looks for effects that no key
// answers for.
func (c *Checker) CheckCalls(ctx context.Context, h *History) ([]Violation, error) {
	calls := h.Calls()
	var f findings
	err := c.look(ctx, func(s *state) {
		stuck, left := s.stuckOrders(), s.leftBehind()
		for _, of := range byKey(calls) {
			s.checkKey(&f, of)
			for _, call := range of {
				checkFailed(&f, call)
				s.checkTold(&f, stuck, call)
				s.checkRefund(&f, left, call)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("check calls: %w", err)
	}
	return f.sorted(), nil
}

// byKey groups the calls that share a key at the same service.
func byKey(calls []Call) [][]Call {
	type id struct {
		key      string
		atOrders bool
	}
	at := map[id]int{}
	var groups [][]Call

	for _, call := range calls {
		of := id{call.Key, call.atOrders()}
		n, ok := at[of]
		if !ok {
			n = len(groups)
			at[of], groups = n, append(groups, nil)
		}
		groups[n] = append(groups[n], call)
	}
	return groups
}

// atOrders reports whether the call went to order-service.
func (c Call) atOrders() bool {
	return strings.HasPrefix(c.Path, "/v1/orders") || strings.HasPrefix(c.Path, "/v1/customers")
}

// orderID is the id of the order that the path names, or of the order that the answer created.
func (c Call) orderID() string {
	if id, ok := strings.CutPrefix(c.Path, "/v1/orders/"); ok {
		id, _, _ = strings.Cut(id, "/")
		return id
	}
	if told, ok := c.told(); ok && told.Outcome == OK && c.Path == "/v1/orders" {
		return readAnswer(told.Answer).ID
	}
	return ""
}

// told returns the first attempt whose answer says what became of the request. The answer that its
// key belongs to another request does not say so and is skipped.
func (c Call) told() (Attempt, bool) {
	for _, a := range c.Attempts {
		if a.Outcome != Unknown && !a.reused() {
			return a, true
		}
	}
	return Attempt{}, false
}

func (a Attempt) reused() bool {
	return a.Status == http.StatusUnprocessableEntity && readProblem(a.Answer).Code == codeReused
}

// remembered reports whether a service keeps this answer under the key. It keeps what was done, and
// what was refused because of the state that the request met. A request that is wrong in itself
// leaves the key free.
func (a Attempt) remembered() bool { return a.Outcome == OK || a.Status == http.StatusConflict }

// same says that two answers mean the same: done with the same bytes, or refused for the same
// reason.
func (a Attempt) same(b Attempt) bool {
	if a.Outcome == OK && b.Outcome == OK {
		return a.Status == b.Status && bytes.Equal(a.Answer, b.Answer)
	}
	return a.Status == b.Status && readProblem(a.Answer) == readProblem(b.Answer)
}

// rows shows a call in a violation.
func (c Call) rows() []any {
	columns := []any{"idem_key", c.Key, "path", c.Path, "body", string(c.Body)}
	for i, a := range c.Attempts {
		columns = append(columns, fmt.Sprintf("attempt%d", i+1),
			fmt.Sprintf("%s/%d/%s", a.Outcome, a.Status, bytes.TrimSpace(a.Answer)))
	}
	return columns
}

// checkKey looks at all calls that came with one key.
func (s *state) checkKey(f *findings, calls []Call) {
	keys := s.paymentKeys
	if calls[0].atOrders() {
		keys = s.orderKeys
	}
	kept, isKept := keys[calls[0].Key]
	if !isKept {
		kept = &keyRow{Answer: &answer{}}
	}

	report := func(what string, c Call) {
		f.add(Key, what, c.orderID(), kept.Answer.PaymentNo,
			append(c.rows(), "kept.result", kept.Result, "kept.refusal_code", kept.RefusalCode)...)
	}

	var answered []Call // the calls whose answer is remembered
	open := false       // no attempt of some call was told its outcome
	for _, c := range calls {
		first, told := c.told()
		open = open || !told
		for _, a := range c.Attempts {
			if a.Outcome == Unknown {
				continue
			}
			if a.reused() && len(calls) == 1 {
				report("a key was refused as used for another request, and came with this one only", c)
				break
			}
			if !a.reused() && !a.same(first) {
				report("one request has two answers under one key", c)
				break
			}
		}

		if told && first.remembered() {
			answered = append(answered, c)
		}
	}

	switch {
	case len(answered) > 1:
		report("two requests were answered under one key", answered[1])
	case len(answered) == 1 && !isKept:
		report("answered, and not remembered under its key", answered[0])
	case len(answered) == 1:
		if first, _ := answered[0].told(); !kept.is(first) {
			report("the answer under the key is not the one the client got", answered[0])
		}
	case isKept && !open:
		report("refused, and an answer is remembered under its key", calls[0])
	}
}

// checkFailed looks for answers that blame the service itself. A dependency that is away and a
// request that is under way have answers of their own: 503, and 409 with the code of a key in
// flight. Clients ask again after a 500 too, so it would go unnoticed.
func checkFailed(f *findings, c Call) {
	for _, a := range c.Attempts {
		if a.Status >= http.StatusInternalServerError && a.Status != http.StatusServiceUnavailable {
			f.add(Key, "a request was answered as a fault of the service's own", c.orderID(), "",
				append(c.rows(), "status", a.Status)...)
			return
		}
	}
}

// leftBehind returns, by payment number, how much of the order was paid and not refunded right
// after the decision.
func (s *state) leftBehind() map[string]int64 {
	behind := map[string]int64{}
	eachOrder(slices.Collect(maps.Values(s.decided)), func(_ string, steps []*movement) {
		left := int64(0)
		for _, m := range steps {
			left = m.leaves(left)
			behind[m.PaymentNo] = left
		}
	})
	return behind
}

// checkRefund compares the amount that a client wanted back with the one that was decided. A
// request without an amount wants all that is left.
func (s *state) checkRefund(f *findings, left map[string]int64, c Call) {
	told, ok := c.told()
	if !ok || told.Outcome != OK || !strings.HasSuffix(c.Path, "/refund") {
		return
	}

	no, wanted := readAnswer(told.Answer).PaymentNo, readAnswer(c.Body).Amount.Minor
	d, isDecided := s.decided[no]
	if !isDecided {
		return
	}

	if wanted != 0 && wanted != d.Terms.Minor || wanted == 0 && d.Outcome == "refunded" && left[no] != 0 {
		f.add(Money, "a client asked for one amount, and another was decided", d.OrderID, no,
			append(c.rows(), "payment_numbers", d.Terms, "not_refunded", left[no])...)
	}
}

// checkTold looks for requests that a client was told are done, and that are not.
func (s *state) checkTold(f *findings, stuck map[string]int64, c Call) {
	told, ok := c.told()
	if !ok || told.Outcome != OK {
		return
	}

	switch a := readAnswer(told.Answer); {
	case strings.HasSuffix(c.Path, "/settle"), strings.HasSuffix(c.Path, "/refund"):
		_, there := s.orders[a.OrderID]
		d, isDecided := s.decided[a.PaymentNo]
		switch {
		case a.OrderID != c.orderID() || a.PaymentNo == "":
			f.add(Key, "accepted for another order than was asked", c.orderID(), a.PaymentNo, c.rows()...)
		case !there:
			f.add(Lost, "a client was told accepted, and the order is gone",
				a.OrderID, a.PaymentNo, c.rows()...)
		case isDecided && (d.OrderID != a.OrderID || d.Seq != a.Seq):
			f.add(Lost, "a client was told accepted, and it was decided as another instruction",
				a.OrderID, a.PaymentNo,
				append(c.rows(), "payment_numbers.order_id", d.OrderID, "payment_numbers.seq", d.Seq)...)
		case !isDecided && !s.visible(stuck, a.PaymentNo, a.OrderID, a.Seq):
			f.add(Lost, "a client was told accepted, and it was never decided",
				a.OrderID, a.PaymentNo, c.rows()...)
		}
	case c.Path == "/v1/orders":
		if o, ok := s.orders[a.ID]; !ok ||
			o.Terms != (terms{a.AccountID, a.Amount.Minor, a.Amount.Currency}) {
			f.add(Lost, "a client was told of an order that is not there", a.ID, "", c.rows()...)
		}
	case c.Path == "/v1/customers":
		if _, ok := s.customers[a.ID]; !ok {
			f.add(Lost, "a client was told of a customer that is not there", "", "", c.rows()...)
		}
	case strings.HasSuffix(c.Path, "/misconduct"):
		if who, ok := s.customers[a.CustomerID]; !ok || who.Seq < a.Seq {
			f.add(Lost, "a client was told of a change of points that its customer does not know", "", "",
				append(c.rows(), "customers.points_seq", who.Seq)...)
		}
	case c.Path == "/v1/accounts":
		if _, ok := s.accounts[a.ID]; !ok {
			f.add(Lost, "a client was told of a wallet that is not there", "", "", c.rows()...)
		}
	case strings.HasSuffix(c.Path, "/deposits"):
		d, ok := s.deposits[a.DepositNo]
		if !ok || d.AccountID != a.AccountID || d.Minor != a.Amount.Minor || d.Currency != a.Amount.Currency {
			f.add(Lost, "a client was told of a deposit that is not there", "", a.DepositNo,
				append(c.rows(), "entries", d)...)
		}
	}
}
