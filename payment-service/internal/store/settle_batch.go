package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Received is an instruction as it came from the topic.
type Received struct {
	Instruction settlement.Instruction
	Delivery    rocketmq.Delivery
}

// Summary is what became of a batch.
type Summary struct {
	Decided  []payment.Movement       // took effect now, released successors included
	Repeated int                      // payment number known, or parked: changed nothing
	Stale    []settlement.Instruction // behind the fence under another payment number: changed nothing
	Waiting  int                      // kept until their predecessor is done
	Released int                      // how many had been waiting and wait no more
}

// SettleBatch settles instructions of one queue, in order, in one transaction: payment
// numbers, entries, balances, the orders' progress and the outcomes' outbox rows are
// there together or not at all. An instruction that was settled before changes nothing,
// so a batch may be given again after any error; dbtx.ErrCommitUnknown is one of them.
func (s *Store) SettleBatch(ctx context.Context, batch []Received) (Summary, error) {
	var summary Summary
	err := s.pool.Run(ctx, func(tx dbtx.Tx) (err error) {
		summary, err = settleIn(tx, batch, s.newBatchState())
		return err
	})
	if err != nil {
		return Summary{}, fmt.Errorf("settle batch of %d: %w", len(batch), err)
	}
	if len(summary.Decided) > 0 {
		s.wake()
	}
	return summary, nil
}

// settleIn is the settle transaction.
func settleIn(tx dbtx.Tx, batch []Received, b *batchState) (Summary, error) {
	if err := b.findKnown(tx, paymentNumbers(batch)); err != nil {
		return Summary{}, err
	}
	fresh := b.leaveOut(batch)
	if err := b.lock(tx, fresh); err != nil {
		return Summary{}, err
	}
	for _, r := range fresh {
		if err := b.decide(r); err != nil {
			return Summary{}, err
		}
	}
	if err := b.write(tx); err != nil {
		return Summary{}, err
	}
	return b.summary, nil
}

func paymentNumbers(batch []Received) []string {
	numbers := make([]string, 0, len(batch))
	for _, r := range batch {
		numbers = append(numbers, r.Instruction.PaymentNo)
	}
	return numbers
}

// findKnown notes which numbers were decided before. This read takes no lock; what
// another writer commits after it is stopped by the fence or the unique index.
func (b *batchState) findKnown(tx dbtx.Tx, numbers []string) error {
	var found []string
	if err := tx.DB().Model(&movementRow{}).Where("payment_no IN ?", numbers).Pluck("payment_no", &found).Error; err != nil {
		return fmt.Errorf("find known payment numbers: %w", err)
	}
	for _, no := range found {
		b.known[no] = true
	}
	return nil
}

// leaveOut counts what is known, or twice in the batch, and returns the rest in order.
func (b *batchState) leaveOut(batch []Received) []Received {
	seen := maps.Clone(b.known)
	return slices.DeleteFunc(slices.Clone(batch), func(r Received) bool {
		no := r.Instruction.PaymentNo
		if seen[no] {
			b.summary.Repeated++
			return true
		}
		seen[no] = true
		return false
	})
}
