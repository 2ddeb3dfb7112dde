// Package settlement is the contract between the two services: the messages and their
// topics. Changes are additive only; a reader ignores fields that it does not know.
package settlement

// Topics and consumer groups. The stack creates the topics; the broker must not.
const (
	TopicSettlement = "settlement"
	TopicOutcome    = "payment-outcome"

	GroupPayment = "payment-service"
	GroupOrder   = "order-service"
)

// DefaultQueues is the queue count of both topics.
const DefaultQueues = 8
