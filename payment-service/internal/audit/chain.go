package audit

import (
	"fmt"

	"settlement/shared/settlement"
)

// end is where a chain of records ends: the last position, 0 before the first, and the hash of the
// record there.
type end struct {
	position int64
	hash     string
}

// origin is the end of a chain without records.
var origin = end{hash: settlement.JournalOrigin}

// verdict is what the chain says of a message.
type verdict int

const (
	follows verdict = iota // the next record
	repeat                 // a copy of an earlier record, sent again by a sender that lost the answer
	outside                // no part of the chain
)

// judge compares a message with the chain's end. kept has the hashes of earlier records by
// position. what says why a message is outside.
//
// It never guesses: whatever a stranger publishes, the records that were kept stay, and an operator
// decides.
func (e end) judge(
	body []byte, kept map[int64]string,
) (record settlement.JournalRecord, v verdict, what string) {
	record, err := settlement.ParseJournalRecord(body)
	switch {
	case err != nil:
		return record, outside, fmt.Sprintf("is no journal record: %v", err)
	case record.Position-1 > e.position:
		return record, outside, fmt.Sprintf("is record %d, and %d to %d are missing before it",
			record.Position, e.position+1, record.Position-1)
	case record.Position <= e.position && settlement.JournalHash(body) == kept[record.Position]:
		return record, repeat, ""
	case record.Position <= e.position:
		return record, outside, fmt.Sprintf("is another record %d (payment %s) than the one that was read before",
			record.Position, record.PaymentNo)
	case record.Previous != e.hash:
		return record, outside, fmt.Sprintf("is record %d (payment %s) and does not follow record %d: it names %s as the hash there, which is %s",
			record.Position, record.PaymentNo, e.position, record.Previous, e.hash)
	}
	return record, follows, ""
}

// endAt is the end with a record at a position.
func endAt(position int64, body []byte) end { return end{position, settlement.JournalHash(body)} }
