package testdb

import (
	"settlement/shared/outbox"
	"settlement/shared/settlement"
)

// Topics are all topics with their queue counts, for a store whose relay no test runs.
var Topics = outbox.Topics{
	settlement.TopicSettlement: settlement.DefaultQueues, settlement.TopicOutcome: settlement.DefaultQueues,
	settlement.TopicPoints: settlement.PointsQueues, settlement.TopicJournal: settlement.JournalQueues,
}
