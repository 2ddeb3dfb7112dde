package store

import (
	"fmt"
	"slices"
	"time"

	"settlement/payment-service/internal/fence"
	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/money"
	"settlement/shared/outbox"
	"settlement/shared/parking"
	"settlement/shared/settlement"
)

// batchState is a batch on its way through one run of the transaction.
type batchState struct {
	now    time.Time
	keeper *parking.Keeper
	topics outbox.Topics

	known      map[string]payment.Movement // by payment number, what was decided, before or in this batch
	decidedNow map[string]bool             // those of known that were decided in this batch
	parked     map[string]keptInstruction  // by payment number, what an operator has to decide on
	// By place, the payment number that failed every time and keeps it until an operator decides.
	claimed map[fence.Place]string
	// The id of the kept record that is resolved now: it must not stand in its own way.
	resolving  string
	ledger     payment.Ledger
	before     map[string]int64 // progress as it is in the database; an order that is missing has no row yet
	successors fence.Waiting[Received]

	// What write stores and then forgets.
	outcomes []Decided // in the order of decision
	// touched are the orders whose row of order_progress is written: those that were decided on,
	// and those of which an instruction waits, so that a rival who settles its predecessor
	// collides.
	touched   map[string]struct{}
	deltas    map[string]int64 // by wallet
	released  []string         // records of successors that were decided
	answers   []Decided        // outcomes that are reported again
	conflicts []Conflict

	behind    []Received      // instructions behind the fence, see tellRepeatsFromConflicts
	answered  map[string]bool // payment numbers in answers
	anyAnswer bool            // some answers were written
	summary   Summary         // its lists are of what was written, its counts of all that was taken
}

// successor is an instruction that waits for its predecessor.
type successor = fence.Waiter[Received]

// keptInstruction is a parked instruction: an operator has to decide on it.
type keptInstruction struct {
	in    settlement.Instruction
	cause parking.Cause
}

func (s *Store) newBatchState() *batchState {
	return &batchState{
		now: s.now(), keeper: s.keeper, topics: s.topics,
		known: map[string]payment.Movement{}, decidedNow: map[string]bool{},
		parked:  map[string]keptInstruction{},
		claimed: map[fence.Place]string{},
		ledger: payment.Ledger{
			LastSeq: map[string]int64{}, Balance: map[string]money.Money{},
			Standing: map[string]payment.Standing{},
		},
		before:     map[string]int64{},
		successors: fence.Waiting[Received]{},
		touched:    map[string]struct{}{},
		deltas:     map[string]int64{},
		answered:   map[string]bool{},
	}
}

// lock takes the row locks in the order that every writer keeps (progress rows, then accounts, each
// sorted by key) and reads what the decisions depend on.
func (b *batchState) lock(tx dbtx.Tx, fresh []Received) error {
	if len(fresh) == 0 {
		return nil
	}

	var orders, accounts []string
	for _, r := range fresh {
		orders = append(orders, r.Message.OrderID)
		accounts = append(accounts, r.Message.AccountID)
	}
	orders = sortedUnique(orders)

	// Sequence first: a late writer must stop here, before it locks an account.
	if err := b.lockProgress(tx, orders); err != nil {
		return err
	}

	waiting, err := b.readKept(tx, orders)
	if err != nil {
		return err
	}
	if err := b.lockAccounts(tx, sortedUnique(append(accounts, waiting...))); err != nil {
		return err
	}
	return b.readStanding(tx)
}

// readKept reads the waiting and the parked instructions of the orders, and returns the accounts of
// the waiting ones.
func (b *batchState) readKept(tx dbtx.Tx, orders []string) (accounts []string, err error) {
	kept, err := parking.Of(tx, settlement.TopicSettlement, orders)
	if err != nil {
		return nil, err
	}

	var numbers []string
	for _, k := range kept {
		in, err := settlement.ParseInstruction(k.Delivery.Body)
		// A record that cannot be read was cut by a server that takes no more: only an operator can
		// look at it.
		if k.ID == b.resolving || err != nil {
			continue
		}
		if k.State == parking.Parked {
			// A conflict does not hide the record whose number it claims.
			if k.Cause != parking.CauseConflict || b.parked[in.PaymentNo].cause == "" {
				b.parked[in.PaymentNo] = keptInstruction{in, k.Cause}
			}
			if k.Cause == parking.CauseFailed {
				b.claimed[placeOf(in)] = in.PaymentNo
			}
			continue
		}

		b.successors[placeOf(in)] = successor{ID: k.ID, Received: Received{Message: in, Delivery: k.Delivery}}
		accounts = append(accounts, in.AccountID)
		numbers = append(numbers, in.PaymentNo)
	}
	return accounts, b.findKnown(tx, numbers)
}

func (b *batchState) lockProgress(tx dbtx.Tx, orders []string) error {
	rows, err := dbtx.LockByKey[progressRow](tx, "order_progress", "order_id", orders)
	if err != nil {
		return err
	}
	for _, r := range rows {
		b.before[r.OrderID], b.ledger.LastSeq[r.OrderID] = r.LastSeq, r.LastSeq
	}
	return nil
}

func (b *batchState) lockAccounts(tx dbtx.Tx, accounts []string) error {
	rows, err := dbtx.LockByKey[accountRow](tx, "accounts", "id", accounts)
	if err != nil {
		return err
	}
	for _, r := range rows {
		b.ledger.Balance[r.ID] = r.balance()
	}
	return nil
}

// readStanding finds what each known order has paid and not got back. The locked
// progress rows keep it as it is.
func (b *batchState) readStanding(tx dbtx.Tx) error {
	orders := make([]string, 0, len(b.before))
	for id, seq := range b.before {
		if seq > 0 {
			orders = append(orders, id)
		}
	}
	if len(orders) == 0 {
		return nil
	}

	slices.Sort(orders)
	var rows []movementRow
	err := tx.DB().Where("order_id IN ? AND outcome IN ?", orders,
		[]settlement.OutcomeType{settlement.Paid, settlement.Refunded}).
		Order("order_id, seq").Find(&rows).Error
	if err != nil {
		return fmt.Errorf("read standing payments: %w", err)
	}

	for _, r := range rows {
		b.ledger.Note(r.movement())
	}
	return nil
}

// placeOf is the place that an instruction claims in its order.
func placeOf(in settlement.Instruction) fence.Place {
	return fence.Place{Key: in.OrderID, Seq: in.Seq}
}

func sortedUnique(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}
