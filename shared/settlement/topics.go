// Package settlement is the contract between the two services: the messages and their
// topics. Changes are additive only; a reader ignores fields that it does not know.
package settlement

// Topics and consumer groups. The stack creates the topics; the broker must not. A group reads one
// topic: its members must all have the same subscription.
const (
	TopicSettlement = "settlement"
	TopicOutcome    = "payment-outcome"
	TopicPoints     = "points"
	TopicJournal    = "journal"

	GroupPayment = "payment-service"
	GroupOrder   = "order-service"
	GroupPoints  = "payment-service-points"
	GroupAudit   = "payment-service-audit" // keeps its offsets in its own database
)

// DefaultQueues is the queue count of settlement and payment-outcome, PointsQueues that of points.
// The journal is in global order, which only one queue gives: its count is no setting.
const (
	DefaultQueues = 8
	PointsQueues  = 4
	JournalQueues = 1
)
