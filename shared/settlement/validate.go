package settlement

import (
	"fmt"

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
