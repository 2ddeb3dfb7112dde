package store

import (
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm/clause"

	"settlement/payment-service/internal/parking"
	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/money"
	"settlement/shared/outbox"
	"settlement/shared/settlement"
)

// place is one step of an order.
type place struct {
	orderID string
	seq     int64
}

// batchState is a batch on its way through one run of the transaction.
type batchState struct {
	now        time.Time
	topics     outbox.Topics
	known      map[string]bool // payment numbers that were decided, before or in this batch
	parked     map[string]bool // payment numbers that an operator has to decide on
	replayed   string          // the one that an operator has decided to settle, if that is what this is
	ledger     payment.Ledger
	before     map[string]int64 // progress as locked; an order that is missing has no row yet
	successors map[place]parking.Successor
	released   []string            // records of successors that were decided
	outcomes   []decided           // in the order of decision
	touched    map[string]struct{} // orders that this batch decided on or keeps waiting
	deltas     map[string]int64    // by wallet
	summary    Summary
}

// decided is a movement and the trace it came with, or a new one.
type decided struct {
	movement    payment.Movement
	traceparent string
}

func (s *Store) newBatchState() *batchState {
	return &batchState{
		now:    s.now(),
		topics: s.topics,
		known:  map[string]bool{}, parked: map[string]bool{},
		ledger: payment.Ledger{
			LastSeq: map[string]int64{}, Balance: map[string]money.Money{}, Standing: map[string]payment.Movement{},
		},
		before:     map[string]int64{},
		successors: map[place]parking.Successor{},
		touched:    map[string]struct{}{},
		deltas:     map[string]int64{},
	}
}

// lock takes the row locks in the order that every writer keeps (progress rows, then
// accounts, each sorted by key) and reads what is decided on.
func (b *batchState) lock(tx dbtx.Tx, fresh []Received) error {
	if len(fresh) == 0 {
		return nil
	}
	var orders, accounts []string
	for _, r := range fresh {
		orders = append(orders, r.Instruction.OrderID)
		accounts = append(accounts, r.Instruction.AccountID)
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

// readKept reads who waits for the orders, and returns their accounts, and what is parked of them.
func (b *batchState) readKept(tx dbtx.Tx, orders []string) (accounts []string, err error) {
	waiting, parked, err := parking.Of(tx, orders)
	for _, no := range parked {
		b.parked[no] = no != b.replayed
	}
	if err != nil || len(waiting) == 0 {
		return nil, err
	}
	var numbers []string
	for _, s := range waiting {
		b.successors[place{s.Instruction.OrderID, s.Instruction.Seq}] = s
		accounts = append(accounts, s.Instruction.AccountID)
		numbers = append(numbers, s.Instruction.PaymentNo)
	}
	return accounts, b.findKnown(tx, numbers)
}

func (b *batchState) lockProgress(tx dbtx.Tx, orders []string) error {
	var rows []progressRow
	// By the primary key, said explicitly: for a large part of a small table the optimizer
	// scans instead, and a scan waits for rows that others have locked.
	err := tx.DB().Table("order_progress FORCE INDEX (PRIMARY)").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where("order_id IN ?", orders).Order("order_id").Find(&rows).Error
	if err != nil {
		return fmt.Errorf("lock progress: %w", err)
	}
	for _, r := range rows {
		b.before[r.OrderID], b.ledger.LastSeq[r.OrderID] = r.LastSeq, r.LastSeq
	}
	return nil
}

func (b *batchState) lockAccounts(tx dbtx.Tx, accounts []string) error {
	var rows []accountRow
	err := tx.DB().Table("accounts FORCE INDEX (PRIMARY)").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where("id IN ?", accounts).Order("id").Find(&rows).Error
	if err != nil {
		return fmt.Errorf("lock accounts: %w", err)
	}
	for _, r := range rows {
		b.ledger.Balance[r.ID] = r.balance()
	}
	return nil
}

// readStanding finds each known order's payment that was not refunded. The locked
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
	err := tx.DB().Where("order_id IN ? AND outcome IN ?", orders, []settlement.OutcomeType{settlement.Paid, settlement.Refunded}).
		Order("order_id, seq").Find(&rows).Error
	if err != nil {
		return fmt.Errorf("read standing payments: %w", err)
	}
	for _, r := range rows {
		if r.Outcome == settlement.Paid {
			b.ledger.Standing[r.OrderID] = r.movement()
		} else {
			delete(b.ledger.Standing, r.OrderID)
		}
	}
	return nil
}

func sortedUnique(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}
