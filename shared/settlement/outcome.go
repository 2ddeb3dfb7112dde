package settlement

import (
	"fmt"
	"time"

	"settlement/shared/money"
)

// OutcomeType says what became of an instruction.
type OutcomeType string

// The outcomes. A settle ends paid or declined, a refund refunded or failed. An operator's discard
// ends either as failed.
const (
	Paid     OutcomeType = "paid"
	Declined OutcomeType = "declined"
	Refunded OutcomeType = "refunded"
	Failed   OutcomeType = "failed"
)

// ReasonNothingToRefund is the reason of a failed refund whose order was not paid, or has all of
// its money back.
const ReasonNothingToRefund = "nothing_to_refund"

// Outcome is the body of a message on TopicOutcome.
type Outcome struct {
	Version    int         `json:"version"`
	Type       OutcomeType `json:"type"`
	PaymentNo  string      `json:"payment_no"`
	OrderID    string      `json:"order_id"`
	Seq        int64       `json:"seq"`
	Amount     money.Money `json:"amount"`
	Reason     string      `json:"reason"` // empty unless declined or failed; at most ReasonMaxLength bytes
	OccurredAt time.Time   `json:"occurred_at"`
}

// ParseOutcome decodes and validates body; every error wraps ErrPoison.
func ParseOutcome(body []byte) (Outcome, error) {
	var out Outcome
	if err := decode(body, &out); err != nil {
		return Outcome{}, err
	}
	if err := out.validate(); err != nil {
		return Outcome{}, fmt.Errorf("%w: %w", ErrPoison, err)
	}
	return out, nil
}

func (out Outcome) validate() error {
	if err := validateVersion(out.Version); err != nil {
		return err
	}
	switch out.Type {
	case Paid, Declined, Refunded, Failed:
	default:
		return fmt.Errorf("type is %q, must be paid, declined, refunded or failed", out.Type)
	}

	if err := validatePaymentNo(out.PaymentNo); err != nil {
		return err
	}
	if err := validateIDs(id{"order_id", out.OrderID}); err != nil {
		return err
	}

	if err := validateTime("occurred_at", out.OccurredAt); err != nil {
		return err
	}
	if len(out.Reason) > ReasonMaxLength {
		return fmt.Errorf("reason has %d bytes, at most %d are read", len(out.Reason), ReasonMaxLength)
	}
	if err := validateSeq(out.Seq); err != nil {
		return err
	}
	return out.Amount.ValidatePayable()
}
