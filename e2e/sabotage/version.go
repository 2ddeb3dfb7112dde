// Command sabotage proves that the fault cases can see: it builds versions of the product that are wrong on
// purpose, runs the cases meant to catch each, and fails when one survives.
package main

import (
	"slices"

	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

// version is a product that is wrong in one way.
type version struct {
	Name  string
	Why   cases.Text // what is wrong, in one sentence; and what had to be taken away with it, because it would have been caught
	Edits []overlay.Edit
	Cases []string // one of them has to catch it
	Sees  []string // what the case has to say then: a violation begins with one of these
}

func versions() []version {
	return slices.Concat(dedupVersions, ackVersions, relayVersions, orderVersions, moneyVersions, clientVersions, parkingVersions, auditVersions, survivorVersions, furtherVersions, promiseVersions, refundVersions, strangerVersions)
}

// Files that several versions change.
const (
	schema   = "migrations/payment/00001_settlement.sql"
	batch    = "payment-service/internal/store/settle_batch.go"
	lock     = "payment-service/internal/store/settle_lock.go"
	decide   = "payment-service/internal/store/settle_decide.go"
	write    = "payment-service/internal/store/settle_write.go"
	replay   = "payment-service/internal/store/instructions.go"
	balances = "payment-service/internal/store/balances.go"
	ledger   = "payment-service/internal/payment/ledger.go"
	attempt  = "shared/parking/attempt.go"
	teller   = "shared/notify/teller.go"
	tape     = "payment-service/internal/audit/tape.go"
	listener = "payment-service/internal/listener/listener.go"
	intake   = "shared/intake/intake.go"
	instruct = "order-service/internal/store/instruct.go"
	apply    = "order-service/internal/store/apply_outcomes.go"
	lanes    = "shared/outbox/lanes.go"
	lease    = "shared/outbox/lease.go"
	producer = "shared/rocketmq/producer.go"
	deliver  = "shared/rocketmq/deliver.go"
	keys     = "shared/idempotency/run.go"
	begin    = "shared/dbtx/run.go"
)

// theFence is where the settle transaction asks the fence. What is wrong there leaves that of points as it is.
const theFence = "\treturn fence.Compare(in.Seq, l.LastSeq[in.OrderID])\n"

// Edits that several versions need.
var (
	// noIndexes leaves nothing in the schema that stops a second row.
	noIndexes = []overlay.Edit{
		{File: schema, Find: "UNIQUE KEY payment_numbers_payment_no", Replace: "KEY payment_numbers_payment_no"},
		{File: schema, Find: "UNIQUE KEY payment_numbers_by_order", Replace: "KEY payment_numbers_by_order"},
		{File: schema, Find: "UNIQUE KEY entries_once", Replace: "KEY entries_once"},
	}
	// noFence takes every sequence for the next one.
	noFence = []overlay.Edit{{File: ledger, Find: theFence, Replace: "\treturn fence.Due\n"}}
	// anyProgress lets a second writer of a new order's progress pass, which would otherwise meet
	// its primary key.
	anyProgress = []overlay.Edit{
		{
			File: write, Find: "\t\tif err := tx.DB().Create(&created).Error",
			Replace: "\t\tif err := tx.DB().Clauses(clause.OnConflict{UpdateAll: true}).Create(&created).Error",
		},
		{File: write, Find: "\t\"strings\"\n", Replace: "\t\"strings\"\n\n\t\"gorm.io/gorm/clause\"\n"},
	}
	// noLookUp notes nothing of what was decided before.
	noLookUp = []overlay.Edit{{File: batch, Find: "\t\tb.known[r.PaymentNo] = r.movement()\n", Replace: "\t\t_ = r\n"}}
	// nobodyAsksAgain takes away the resending of instructions that have no outcome after 30 s:
	// within the limit of a case, resending makes good whatever was lost between the two services.
	nobodyAsksAgain = []overlay.Edit{{
		File: "order-service/service.go", Find: "\tdefer lifecycle.Background(ctx, resend.New(behind.store, registry, log).Run)()\n",
		Replace: "\t_ = resend.New(behind.store, registry, log)\n",
	}}
	// nobodyLooksAgain takes away the look at waiting messages, every second, for predecessors that
	// are done.
	nobodyLooksAgain = []overlay.Edit{{
		File: "payment-service/service.go", Find: "\tdefer lifecycle.Background(ctx, intake.NewWaiting(waited.lot, waited.resolvers, log, instructions, changes).Run)()\n",
		Replace: "\t_ = intake.NewWaiting(waited.lot, waited.resolvers, log, instructions, changes)\n",
	}}
)
