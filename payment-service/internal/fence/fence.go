// Package fence keeps messages in sequence. The messages of one ordering key (an order's
// instructions, a customer's changes of points) are numbered 1, 2, 3… where they are accepted. Of
// them only the next one takes effect.
//
// The broker makes this order likely: a fixed queue for each key, and one consumer that holds the
// queue. It does not make it certain. A consumer whose lock has expired goes on until it notices,
// an operator sets an offset back, a foreign producer sends what it likes. So the sequence is
// compared again where a message takes effect: in the transaction, with the row that holds the
// key's last sequence locked. Whoever gets that lock sees what everybody before has committed,
// under READ COMMITTED, and cannot be overtaken until it commits itself.
//
// The rules here do no I/O.
package fence

// Verdict is what the fence says of a message.
type Verdict int

// The verdicts.
const (
	Due Verdict = iota // the next one of its key: takes effect
	// Not after the last one that took effect: a repeat, a late writer or a rival; changes nothing.
	Stale
	Ahead // its predecessor has not taken effect yet: waits for it
)

// Compare compares a message's sequence number with the last one of its key that took effect, which
// is 0 before the first.
func Compare(seq, last int64) Verdict {
	switch {
	case seq <= last:
		return Stale
	case seq > last+1:
		return Ahead
	}
	return Due
}
