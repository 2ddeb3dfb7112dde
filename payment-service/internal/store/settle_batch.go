package store

import (
	"context"
	"fmt"

	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/intake"
	"settlement/shared/settlement"
)

// Received is an instruction as it came from the topic.
type Received = intake.Received[settlement.Instruction]

// Summary is what became of a batch.
type Summary struct {
	Decided []Decided // took effect now, released successors included
	// Decided, waiting or parked before: changed nothing; what was decided is reported again.
	Repeated   int
	Conflicts  []Conflict // parked
	Waiting    int        // kept until their predecessor is done
	Released   int        // had been waiting before, and wait no more
	Unreleased error      // why successors that are due still wait; nil if none does
}

// Decided is a movement and the trace it came with, or a new one.
type Decided struct {
	payment.Movement

	Traceparent string
}

// Conflict is an instruction whose payment number, or whose place in its order, belongs to another
// instruction.
type Conflict struct {
	Received
	Reason string
}

// SettleBatch settles instructions of one queue, in order, in one transaction: payment numbers,
// entries, balances, the orders' progress and the outcomes' outbox rows are there together or not
// at all. An instruction that was settled before changes nothing, and its outcome is reported
// again: the sender of the repeat may not have heard it. So a batch may be given again after any
// error; dbtx.ErrCommitUnknown is one of them.
func (s *Store) SettleBatch(ctx context.Context, batch []Received) (Summary, error) {
	var b *batchState
	err := s.pool.Run(ctx, func(tx dbtx.Tx) error {
		b = s.newBatchState()
		return b.settle(tx, batch)
	})
	if err != nil {
		return Summary{}, fmt.Errorf("settle batch of %d: %w", len(batch), err)
	}

	if len(b.summary.Decided) > 0 || b.anyAnswer {
		s.wake()
	}
	if len(b.summary.Conflicts) > 0 {
		s.keeper.Wake()
	}
	return b.summary, nil
}

// settle is the settle transaction.
func (b *batchState) settle(tx dbtx.Tx, batch []Received) error {
	if err := b.findKnown(tx, paymentNumbers(batch)); err != nil {
		return err
	}

	fresh := b.leaveOut(batch)
	if err := b.lock(tx, fresh); err != nil {
		return err
	}

	for _, r := range fresh {
		if err := b.decide(r); err != nil {
			return err
		}
	}
	if err := b.tellRepeatsFromConflicts(tx); err != nil {
		return err
	}

	if err := b.write(tx); err != nil {
		return err
	}
	return b.release(tx)
}

func paymentNumbers(batch []Received) []string {
	numbers := make([]string, 0, len(batch))
	for _, r := range batch {
		numbers = append(numbers, r.Message.PaymentNo)
	}
	return numbers
}

// findKnown notes what was decided before under these numbers. This read takes no lock. When
// another writer decides one of the numbers after it, the fence or the unique index stops this
// batch from deciding it again.
func (b *batchState) findKnown(tx dbtx.Tx, numbers []string) error {
	if len(numbers) == 0 {
		return nil
	}
	var found []movementRow
	if err := tx.DB().Where("payment_no IN ?", numbers).Find(&found).Error; err != nil {
		return fmt.Errorf("find known payment numbers: %w", err)
	}
	for _, r := range found {
		b.known[r.PaymentNo] = r.movement()
	}
	return nil
}

// leaveOut takes out the instructions whose payment number is known, or came earlier in the batch.
// It returns the rest in order.
func (b *batchState) leaveOut(batch []Received) []Received {
	var fresh []Received
	seen := map[string]settlement.Instruction{}
	for _, r := range batch {
		in := r.Message
		if m, known := b.known[in.PaymentNo]; known {
			b.repeated(r, m)
			continue
		}

		first, twice := seen[in.PaymentNo]
		switch {
		case !twice:
			seen[in.PaymentNo] = in
			fresh = append(fresh, r)
		case differs(in, first) == "":
			b.summary.Repeated++
		default:
			b.conflict(r, "its payment number belongs to another instruction: "+differs(in, first))
		}
	}
	return fresh
}
