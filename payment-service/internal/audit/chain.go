package audit

import (
	"fmt"

	"settlement/shared/settlement"
)

// end is where a chain of records ends: the last position, 0 before the first, and the hash of the record there.
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
	repeat                 // a copy of an earlier one, which a sender makes that has lost its answer
	outside                // no part of the chain
	resumes                // a later record: those before it are missing, and the chain goes on with it
	usurped                // another record for a place that was given to one that nobody decided
)

// judge compares a message with the chain's end and with what is known of the records around it. Where the chain alone
// cannot say, the books do: a record of a payment number that nobody decided was put there by somebody else. what tells
// of a message that is not as it should be.
func (e end) judge(body []byte, known knowledge) (record settlement.JournalRecord, v verdict, what string) {
	record, err := settlement.ParseJournalRecord(body)
	if err != nil {
		return record, outside, fmt.Sprintf("is no journal record: %v", err)
	}
	at := record.Position
	there, isKept := known.kept[at]
	switch {
	case at > e.position+1 && known.decided[record.PaymentNo]:
		return record, resumes, fmt.Sprintf("is record %d, and %d to %d are missing before it", at, e.position+1, at-1)
	case at > e.position+1:
		return record, outside, fmt.Sprintf("is record %d of payment %s, which nobody decided, and the journal is at %d", at, record.PaymentNo, e.position)
	case at == e.position+1 && record.Previous != e.hash:
		return record, outside, fmt.Sprintf("is record %d (payment %s) and does not follow record %d: it names %s as the hash there, which is %s",
			at, record.PaymentNo, e.position, record.Previous, e.hash)
	case at == e.position+1:
		return record, follows, ""
	case isKept && settlement.JournalHash(body) == there.Hash:
		return record, repeat, ""
	case isKept && !known.decided[there.PaymentNo] && known.decided[record.PaymentNo] && record.Previous == known.hashAt(at-1):
		return record, usurped, fmt.Sprintf("was taken for record %d, of payment %s, which nobody decided", at, there.PaymentNo)
	case isKept:
		return record, outside, fmt.Sprintf("is another record %d (payment %s) than the one that was read before", at, record.PaymentNo)
	}
	return record, outside, fmt.Sprintf("is record %d (payment %s), and comes too late", at, record.PaymentNo)
}

// endAt is the end with a record at a position.
func endAt(position int64, body []byte) end { return end{position, settlement.JournalHash(body)} }
