package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"settlement/order-service/internal/order"
	"settlement/shared/dbtx"
	"settlement/shared/intake"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

// Received is an outcome as it came from the topic.
type Received = intake.Received[settlement.Outcome]

// Applied is what became of a batch of outcomes.
type Applied struct {
	Changed   []Received // moved their order
	Repeated  int        // applied, waiting or parked before, changed nothing
	Waiting   int        // kept until their order, or its instruction, is known here
	Conflicts []Conflict // parked
}

// Conflict is an outcome that answers no instruction of ours, or contradicts the recorded outcome.
type Conflict struct {
	Received
	Reason string
}

// ApplyOutcomes applies a batch in order, in one transaction, each payment number once. The same
// transaction gives the customer of a paid order the points for it, and takes them back when the
// order is refunded. An outcome waits when it comes before its order, as on a node of the database
// that is behind, or before the outcome of its predecessor.
func (s *Store) ApplyOutcomes(ctx context.Context, batch []Received) (Applied, error) {
	var b *outcomeBatch
	err := s.pool.Run(ctx, func(tx dbtx.Tx) error {
		b = &outcomeBatch{now: s.now(), store: s}
		if err := b.lock(tx, batch); err != nil {
			return err
		}
		for _, r := range batch {
			if err := b.take(tx, r); err != nil {
				return err
			}
		}
		return b.finish(tx)
	})
	if err != nil {
		return Applied{}, fmt.Errorf("apply %d outcomes: %w", len(batch), err)
	}

	if b.rewarded > 0 {
		s.wake()
	}
	if len(b.applied.Conflicts) > 0 {
		s.keeper.Wake()
	}
	return b.applied, nil
}

// outcomeBatch is a batch on its way through one run of the transaction.
type outcomeBatch struct {
	now   time.Time
	store *Store
	// The id of the kept message that is being resolved, which must not count as kept; else empty.
	resolving string

	orders map[string]order.Order // locked; each as it is after the outcomes that were taken
	// Outcomes that were applied, before or in this batch, by payment number.
	recorded map[string]settlement.Outcome
	kept     map[string]settlement.Outcome // outcomes that wait or are parked, by payment number
	answered []string                      // payment numbers that have their outcome, now or before
	turns    []turn                        // orders that were paid or refunded, in this order
	rewarded int
	applied  Applied
}

// take applies one outcome, finds that it is a repeat, or keeps it.
func (b *outcomeBatch) take(tx dbtx.Tx, r Received) error {
	out := r.Message
	o, known := b.orders[out.OrderID]
	if recorded, applied := b.recorded[out.PaymentNo]; applied {
		return b.repeated(tx, r, recorded)
	}
	if kept, there := b.kept[out.PaymentNo]; there && outcomesDiffer(out, kept) == "" {
		b.applied.Repeated++
		return nil
	}

	switch {
	case !known:
		return b.wait(tx, r, fmt.Sprintf("order %s is not known here", out.OrderID))
	case o.Ahead(out):
		return b.wait(tx, r, fmt.Sprintf("the outcome answers seq %d, order %s is at seq %d here, and what comes before may have no outcome yet",
			out.Seq, o.ID, o.Seq))
	}

	after, of, err := o.Apply(out, b.now)
	if err != nil {
		return b.conflict(tx, r, err.Error())
	}
	if err := applyOne(tx, out, of, o, after); err != nil {
		return err
	}

	b.recorded[out.PaymentNo], b.orders[o.ID] = out, after
	b.applied.Changed = append(b.applied.Changed, r)
	b.answered = append(b.answered, out.PaymentNo)
	if out.Type == settlement.Paid || after.Status == order.Refunded {
		b.turns = append(b.turns, turn{customerID: o.CustomerID, refunded: after.Status == order.Refunded})
	}
	return nil
}

func (b *outcomeBatch) repeated(tx dbtx.Tx, r Received, recorded settlement.Outcome) error {
	if difference := outcomesDiffer(r.Message, recorded); difference != "" {
		return b.conflict(tx, r, "its payment number has another outcome: "+difference)
	}
	b.applied.Repeated++
	b.answered = append(b.answered, r.Message.PaymentNo)
	return nil
}

func (b *outcomeBatch) wait(tx dbtx.Tx, r Received, reason string) error {
	if b.resolving == "" {
		if _, err := b.store.keeper.Wait(tx, r.Delivery, SubjectOf(r.Message), reason); err != nil {
			return fmt.Errorf("keep outcome of payment %s waiting: %w", r.Message.PaymentNo, err)
		}
		b.kept[r.Message.PaymentNo] = r.Message
	}
	b.applied.Waiting++
	return nil
}

func (b *outcomeBatch) conflict(tx dbtx.Tx, r Received, reason string) error {
	if b.resolving == "" {
		if _, err := b.store.keeper.Park(tx, r.Delivery, SubjectOf(r.Message),
			parking.CauseConflict, reason); err != nil {
			return fmt.Errorf("park outcome of payment %s, which is in conflict: %w",
				r.Message.PaymentNo, err)
		}
		b.kept[r.Message.PaymentNo] = r.Message
	}
	b.applied.Conflicts = append(b.applied.Conflicts, Conflict{Received: r, Reason: reason})
	return nil
}

// finish writes what the outcomes lead to besides their orders: answered instructions and points.
func (b *outcomeBatch) finish(tx dbtx.Tx) (err error) {
	if err := answered(tx, b.answered); err != nil {
		return err
	}
	b.rewarded, err = b.store.reward(tx, b.now, b.turns)
	return err
}

// applyOne inserts the payment number first. The number is the unique key that lets a repeat change
// nothing, even when another process applies it at the same time.
func applyOne(
	tx dbtx.Tx, out settlement.Outcome, of settlement.InstructionType, before, after order.Order,
) error {
	err := tx.DB().Create(&paymentRow{
		PaymentNo: out.PaymentNo, OrderID: out.OrderID, Type: of, Seq: out.Seq, Outcome: out.Type,
		AmountMinor: &out.Amount.Minor,
		OccurredAt:  out.OccurredAt,
	}).Error
	if dbtx.IsDuplicateKey(err) {
		return dbtx.Again("duplicate_key", err)
	}
	if err != nil {
		return fmt.Errorf("insert payment %s: %w", out.PaymentNo, err)
	}
	return updateOrder(tx, before, after)
}

// lock locks the orders of a batch, sorted by id like every other writer. It reads which outcomes
// were applied or are kept for them.
func (b *outcomeBatch) lock(tx dbtx.Tx, batch []Received) (err error) {
	ids := make([]string, 0, len(batch))
	numbers := make([]string, 0, len(batch))
	for _, r := range batch {
		ids = append(ids, r.Message.OrderID)
		numbers = append(numbers, r.Message.PaymentNo)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)

	if b.orders, err = lockOrders(tx, ids); err != nil {
		return err
	}
	if err := b.readRecorded(tx, numbers); err != nil {
		return err
	}
	return b.readKept(tx, ids)
}

func lockOrders(tx dbtx.Tx, ids []string) (map[string]order.Order, error) {
	rows, err := dbtx.LockByKey[orderRow](tx, "orders", "id", ids)
	if err != nil {
		return nil, err
	}

	orders := make(map[string]order.Order, len(rows))
	for _, row := range rows {
		orders[row.ID] = row.order()
	}
	return orders, nil
}

// readRecorded reads what was applied under payment numbers.
func (b *outcomeBatch) readRecorded(tx dbtx.Tx, numbers []string) error {
	var rows []paymentRow
	if err := tx.DB().Where("payment_no IN ?", numbers).Find(&rows).Error; err != nil {
		return fmt.Errorf("find applied payments: %w", err)
	}
	b.recorded = make(map[string]settlement.Outcome, len(rows))
	for _, r := range rows {
		b.recorded[r.PaymentNo] = r.outcome(b.orders[r.OrderID].Amount)
	}
	return nil
}

func (b *outcomeBatch) readKept(tx dbtx.Tx, ids []string) error {
	kept, err := parking.Of(tx, settlement.TopicOutcome, ids)
	if err != nil {
		return err
	}
	b.kept = map[string]settlement.Outcome{}
	for _, k := range kept {
		out, err := settlement.ParseOutcome(k.Delivery.Body)
		if k.ID != b.resolving && err == nil {
			b.kept[out.PaymentNo] = out
		}
	}
	return nil
}

// outcomesDiffer says in what two outcomes of one payment number differ; empty: they are the same.
func outcomesDiffer(claimed, recorded settlement.Outcome) string {
	switch {
	case claimed.OrderID != recorded.OrderID:
		return fmt.Sprintf("order %s, recorded is %s", claimed.OrderID, recorded.OrderID)
	case claimed.Seq != recorded.Seq:
		return fmt.Sprintf("seq %d, recorded is %d", claimed.Seq, recorded.Seq)
	case claimed.Type != recorded.Type:
		return fmt.Sprintf("outcome %s, recorded is %s", claimed.Type, recorded.Type)
	case claimed.Amount != recorded.Amount:
		return fmt.Sprintf("amount %s, recorded is %s", claimed.Amount, recorded.Amount)
	}
	return ""
}

// SubjectOf is what an outcome is about.
func SubjectOf(out settlement.Outcome) parking.Subject {
	return parking.Subject{Number: out.PaymentNo, OrderingKey: out.OrderID, Seq: out.Seq}
}
