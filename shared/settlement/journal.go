package settlement

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"

	"settlement/shared/money"
)

// JournalRecord is the body of a message on TopicJournal: a payment number that was decided, at its
// position in one sequence over everything. Each record carries the hash of the one before, so none
// can be changed, left out or put in between without the next one showing it.
type JournalRecord struct {
	Version  int   `json:"version"`
	Position int64 `json:"position"` // 1, 2, 3… over everything
	// JournalHash of the body at the position before; JournalOrigin at 1
	Previous  string          `json:"previous"`
	PaymentNo string          `json:"payment_no"`
	OrderID   string          `json:"order_id"`
	Seq       int64           `json:"seq"`
	Type      InstructionType `json:"type"`
	Outcome   OutcomeType     `json:"outcome"`
	Reason    string          `json:"reason"`
	AccountID string          `json:"account_id"`
	Amount    money.Money     `json:"amount"`
	DecidedAt time.Time       `json:"decided_at"`
}

// JournalShardingKey is the sharding key of every record: one key, one order.
const JournalShardingKey = "journal"

// JournalOrigin is what the first record has for its predecessor's hash.
var JournalOrigin = strings.Repeat("0", 2*sha256.Size)

var journalHashForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// JournalHash is the SHA-256 of a record's body, byte for byte as it is on the topic, in lower-case
// hex.
func JournalHash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// ParseJournalRecord decodes and validates body; every error wraps ErrPoison.
func ParseJournalRecord(body []byte) (JournalRecord, error) {
	var r JournalRecord
	if err := decode(body, &r); err != nil {
		return JournalRecord{}, err
	}
	if err := r.validate(); err != nil {
		return JournalRecord{}, fmt.Errorf("%w: %w", ErrPoison, err)
	}
	return r, nil
}

func (r JournalRecord) validate() error {
	if err := validateVersion(r.Version); err != nil {
		return err
	}
	if r.Position < 1 {
		return fmt.Errorf("position is %d, must be 1 or more", r.Position)
	}
	if !journalHashForm.MatchString(r.Previous) {
		return fmt.Errorf("previous is %.80q, must be 64 lower-case hex digits", r.Previous)
	}
	return validateIDs(id{"payment_no", r.PaymentNo}, id{"order_id", r.OrderID},
		id{"account_id", r.AccountID})
}
