package store

import (
	"context"
	"fmt"

	"settlement/payment-service/internal/parking"
	"settlement/shared/idempotency"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// Replay settles one parked instruction; it is a parking.Settle. One that is ahead of
// its order waits from then on.
func (s *Store) Replay(ctx context.Context, in settlement.Instruction, d rocketmq.Delivery) error {
	summary, err := s.SettleBatch(ctx, []Received{{Instruction: in, Delivery: d}})
	if err == nil && len(summary.Stale) > 0 {
		return &idempotency.Refusal{
			Code:   parking.CodeNotReplayable,
			Detail: fmt.Sprintf("seq %d of order %s was decided under another payment number", in.Seq, in.OrderID),
		}
	}
	return err
}
