package settlement

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"settlement/shared/money"
)

// Version is the message version that this code writes and reads.
const Version = 1

// BodyMaxBytes is the largest message body that is read; real ones are below 1 KiB.
const BodyMaxBytes = 16 << 10

// ReasonMaxLength is the longest reason an outcome carries, in bytes.
const ReasonMaxLength = 255

// ErrPoison marks a message that can never be processed, however often it is delivered.
var ErrPoison = errors.New("poison message")

// InstructionType says what is to be done with an order's money.
type InstructionType string

// The instructions.
const (
	Settle InstructionType = "settle"
	Refund InstructionType = "refund"
)

// Instruction is the body of a message on TopicSettlement.
type Instruction struct {
	Version     int             `json:"version"`
	Type        InstructionType `json:"type"`
	PaymentNo   string          `json:"payment_no"` // UUID; the business key
	OrderID     string          `json:"order_id"`   // UUID; the ordering key
	Seq         int64           `json:"seq"`        // 1, 2, 3… per order
	AccountID   string          `json:"account_id"` // UUID; the wallet
	Amount      money.Money     `json:"amount"`
	RequestedAt time.Time       `json:"requested_at"`
}

// ParseInstruction decodes and validates body; every error wraps ErrPoison.
func ParseInstruction(body []byte) (Instruction, error) {
	var in Instruction
	if err := decode(body, &in); err != nil {
		return Instruction{}, err
	}
	if err := in.validate(); err != nil {
		return Instruction{}, fmt.Errorf("%w: %w", ErrPoison, err)
	}
	return in, nil
}

func (in Instruction) validate() error {
	if err := validateVersion(in.Version); err != nil {
		return err
	}
	if in.Type != Settle && in.Type != Refund {
		return fmt.Errorf("type is %q, must be settle or refund", in.Type)
	}
	if err := validatePaymentNo(in.PaymentNo); err != nil {
		return err
	}
	if err := validateIDs(id{"order_id", in.OrderID}, id{"account_id", in.AccountID}); err != nil {
		return err
	}
	if err := validateSeq(in.Seq); err != nil {
		return err
	}
	return in.Amount.ValidatePayable()
}

func decode(body []byte, v any) error {
	if len(body) > BodyMaxBytes {
		return fmt.Errorf("%w: body has %d bytes, at most %d are read", ErrPoison, len(body), BodyMaxBytes)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: body is not the JSON of this message: %w", ErrPoison, err)
	}
	return nil
}
