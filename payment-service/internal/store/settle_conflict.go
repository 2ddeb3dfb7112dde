package store

import (
	"fmt"

	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/settlement"
)

// repeated takes an instruction whose payment number was decided. The outcome is reported again,
// once in a batch. If the number was decided for another instruction, this one is a conflict.
func (b *batchState) repeated(r Received, m payment.Movement) {
	if difference := differs(r.Message, instructionOf(m)); difference != "" {
		b.conflict(r, "its payment number was decided for another instruction: "+difference)
		return
	}
	b.summary.Repeated++
	if !b.answered[m.PaymentNo] && !b.decidedNow[m.PaymentNo] {
		b.answered[m.PaymentNo] = true
		b.answers = append(b.answers, Decided{Movement: m, Traceparent: traceOf(r.Delivery)})
	}
}

func (b *batchState) conflict(r Received, reason string) {
	b.conflicts = append(b.conflicts, Conflict{Received: r, Reason: reason})
}

// tellRepeatsFromConflicts looks up the instructions behind the fence again, now that their orders
// are locked. A copy that another writer has decided since the first look-up is a repeat. Each of
// the others claims a place that is taken, and is a conflict.
func (b *batchState) tellRepeatsFromConflicts(tx dbtx.Tx) error {
	if len(b.behind) == 0 {
		return nil
	}
	if err := b.findKnown(tx, paymentNumbers(b.behind)); err != nil {
		return err
	}

	for _, r := range b.behind {
		if m, known := b.known[r.Message.PaymentNo]; known {
			b.repeated(r, m)
			continue
		}
		b.conflict(r, fmt.Sprintf("seq %d of order %s was decided under another payment number, or passed over",
			r.Message.Seq, r.Message.OrderID))
	}
	return nil
}

// differs says in what two instructions under one payment number differ. It returns an empty string
// when they are the same. RequestedAt is not compared: an instruction that is sent again may carry
// another time.
func differs(claimed, recorded settlement.Instruction) string {
	switch {
	case claimed.OrderID != recorded.OrderID:
		return fmt.Sprintf("order %s, recorded is %s", claimed.OrderID, recorded.OrderID)
	case claimed.Seq != recorded.Seq:
		return fmt.Sprintf("seq %d, recorded is %d", claimed.Seq, recorded.Seq)
	case claimed.Type != recorded.Type:
		return fmt.Sprintf("type %s, recorded is %s", claimed.Type, recorded.Type)
	case claimed.AccountID != recorded.AccountID:
		return fmt.Sprintf("account %s, recorded is %s", claimed.AccountID, recorded.AccountID)
	case claimed.Amount != recorded.Amount:
		return fmt.Sprintf("amount %s, recorded is %s", claimed.Amount, recorded.Amount)
	}
	return ""
}

func instructionOf(m payment.Movement) settlement.Instruction {
	return settlement.Instruction{
		PaymentNo: m.PaymentNo, OrderID: m.OrderID, Seq: m.Seq, Type: m.Type, AccountID: m.AccountID,
		Amount: m.Amount,
	}
}
