package settlement

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// SeqMax is the largest sequence of one order.
const SeqMax int64 = 1_000_000

type id struct{ name, value string }

// validateIDs accepts the canonical lower-case form only: the same UUID written in
// capitals would be another key to the hash that chooses the queue.
func validateIDs(ids ...id) error {
	for _, i := range ids {
		u, err := uuid.Parse(i.value)
		if err != nil || u.String() != i.value {
			return fmt.Errorf("%s is %q, must be a UUID in lower case", i.name, i.value)
		}
	}
	return nil
}

func validateVersion(v int) error {
	if v != Version {
		return fmt.Errorf("version is %d, this service reads %d", v, Version)
	}
	return nil
}

func validateSeq(seq int64) error {
	if seq < 1 || seq > SeqMax {
		return fmt.Errorf("seq is %d, must be 1 to %d", seq, SeqMax)
	}
	return nil
}

// The times that both databases can keep in a DATETIME(6). MySQL's manual gives it the years 1000
// to 9999. Near either end, an offset or rounding takes a time out of them.
var (
	timeMin = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	timeMax = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)

func validateTime(name string, t time.Time) error {
	if t.Before(timeMin) || !t.Before(timeMax) {
		return fmt.Errorf("%s is %s, must be from %s to before %s",
			name, t.Format(time.RFC3339Nano), timeMin.Format(time.RFC3339), timeMax.Format(time.RFC3339))
	}
	return nil
}

// depositVersion is the UUID version of deposit numbers. Payment numbers have any other version, so
// that none can be the number of a deposit: the entries of both are in one table, and customers see
// the numbers of their deposits.
const depositVersion = 8

// NewDepositNo returns a number for a deposit: a UUID of version 8 that ascends with time like one
// of version 7.
func NewDepositNo() string {
	u := uuid.Must(uuid.NewV7())
	u[6] = u[6]&0x0f | depositVersion<<4
	return u.String()
}

func validatePaymentNo(no string) error {
	if err := validateIDs(id{"payment_no", no}); err != nil {
		return err
	}
	if uuid.MustParse(no).Version() == depositVersion {
		return fmt.Errorf("payment_no is %q, which is the number of a deposit (a UUID of version %d)",
			no, depositVersion)
	}
	return nil
}
