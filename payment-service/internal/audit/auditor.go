// Package audit reads the journal from its topic and compares it with the books: is the chain of
// records whole, and do the tables say what it says? It reads with a pull consumer and keeps the
// offset itself.
package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"settlement/payment-service/internal/store"
	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/wake"
)

const (
	// comesWithin is how long a decision may take from the outbox to the topic's readers.
	comesWithin = 10 * time.Second
	// pollInterval is the time between two looks at the topic.
	pollInterval = 500 * time.Millisecond
)

// Auditor audits one payments database. It is for one goroutine.
type Auditor struct {
	pool   *dbtx.Pool
	tape   *Tape
	books  *store.Store
	reader *rocketmq.QueueReader // of the journal's queue
}

// New makes an auditor of the database behind pool.
func New(pool *dbtx.Pool, tape *Tape, books *store.Store, reader *rocketmq.QueueReader) *Auditor {
	return &Auditor{pool: pool, tape: tape, books: books, reader: reader}
}

// Audit reads what is new on the topic and compares the whole journal with the books. An error
// means that the audit could not be finished.
func (a *Auditor) Audit(ctx context.Context, progress func(records int64)) (Report, error) {
	var r Report
	took := func(t Taken) {
		r.New += len(t.Records)
		r.Repeats += t.Repeats
	}

	if err := a.catchUp(ctx, took); err != nil {
		return r, err
	}
	missing, underWay, err := a.missing(ctx, took)
	if err != nil {
		return r, err
	}
	r.UnderWay = underWay

	found, last, err := a.findings(ctx, -1)
	if err != nil {
		return r, err
	}
	at, differ, err := a.compareFrom(ctx, origin, progress)
	if err != nil {
		return r, err
	}
	amiss, err := a.amiss(ctx)
	if err != nil {
		return r, err
	}

	r.Records, r.Hash, r.lastFinding = at.position, at.hash, last
	r.Breaks = slices.Concat(found, differ, missing, amiss)
	return r, nil
}

// Follow goes on from the end of an audit until ctx ends: it reads what comes and compares it with
// the books. After each round it calls told with the last record that was compared, what is wrong,
// and the error, if there was one. After an error it tries again.
func (a *Auditor) Follow(ctx context.Context, r Report, told func(last int64, breaks []string, err error)) {
	at, lastFinding := end{r.Records, r.Hash}, r.lastFinding
	for ; ctx.Err() == nil; wake.Pause(ctx, pollInterval) {
		err := a.catchUp(ctx, func(Taken) {})

		// Findings and records come from the tape, not from what catchUp has just taken: after a
		// commit whose answer was lost, there is more on the tape.
		var found, differ []string
		if err == nil {
			found, lastFinding, err = a.findings(ctx, lastFinding)
		}
		if err == nil {
			at, differ, err = a.compareFrom(ctx, at, func(int64) {})
		}

		if ctx.Err() == nil {
			told(at.position, append(found, differ...), err)
		}
	}
}

// ResumeAt makes the tape go on with the message at an offset, whatever the chain says.
func (a *Auditor) ResumeAt(ctx context.Context, offset int64, by Decision) error {
	messages, _, err := a.reader.Read(ctx, offset)
	if err != nil {
		return err
	}
	if len(messages) == 0 || messages[0].Offset != offset {
		return fmt.Errorf("the journal's topic has no message at offset %d", offset)
	}
	return a.tape.ResumeAt(ctx, messages[0], by)
}

// catchUp reads from where the auditor stopped to the end of the topic as it is now.
func (a *Auditor) catchUp(ctx context.Context, took func(Taken)) error {
	offset, err := a.tape.Offset(ctx)
	if err != nil {
		return err
	}
	oldest, next, err := a.reader.Ends(ctx)
	if err != nil {
		return err
	}

	if offset > next {
		return fmt.Errorf("the journal's topic ends at offset %d and was read up to %d before: its broker is still recovering, or has lost messages",
			next, offset)
	}
	if offset < oldest {
		if err := a.tape.Skip(ctx, offset, oldest); err != nil {
			return err
		}
		offset = oldest
	}

	for offset < next {
		messages, after, err := a.reader.Read(ctx, offset)
		if err != nil {
			return err
		}
		if after <= offset {
			return fmt.Errorf("the broker has nothing at offset %d of the journal's topic, which ends at %d: is it still recovering?",
				offset, next)
		}

		taken, err := a.tape.Take(ctx, offset, after, messages)
		switch {
		case errors.Is(err, ErrMovedOn):
			if offset, err = a.tape.Offset(ctx); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			took(taken)
			offset = after
		}
	}
	return nil
}

// missing finds decisions that the journal does not have. It looks at each station on their way
// from the books to the topic, in this order, so that no decision passes unseen.
func (a *Auditor) missing(ctx context.Context, took func(Taken)) (breaks []string, underWay int, err error) {
	absent, err := a.absent(ctx)
	if err != nil {
		return nil, 0, err
	}

	before := len(absent)
	if err := a.leaveOutUnderWay(ctx, absent); err != nil {
		return nil, 0, err
	}
	underWay = before - len(absent)

	deadline := time.Now().Add(comesWithin)
	for len(absent) > 0 {
		if err := a.catchUp(ctx, took); err != nil {
			return nil, underWay, err
		}
		if err := a.leaveOutRecorded(ctx, absent); err != nil {
			return nil, underWay, err
		}
		if len(absent) == 0 || time.Now().After(deadline) || ctx.Err() != nil {
			break
		}
		wake.Pause(ctx, pollInterval)
	}

	for no, order := range absent {
		breaks = append(breaks, fmt.Sprintf("journal: payment %s of order %s was decided, and is not in it",
			no, order))
	}
	return breaks, underWay, ctx.Err()
}
