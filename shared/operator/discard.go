package operator

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"settlement/shared/idempotency"
	"settlement/shared/parking"
)

func newDiscard(with opened) *cobra.Command {
	var who, why string
	var closeGap bool
	cmd := &cobra.Command{
		Use:   "discard ID…",
		Short: "give parked messages up for good: their instructions fail, their orders hear of it",
		Args:  cobra.MinimumNArgs(1),
		RunE: with(func(cmd *cobra.Command, lot *parking.Lot, ids []string) error {
			if why == "" {
				return errors.New("--why is missing: say for the audit row why these messages are given up")
			}
			failed := 0
			for _, id := range ids {
				req, err := newRequest("discard", id)
				if err != nil {
					return err
				}
				rec, err := lot.Discard(cmd.Context(), req, parking.Decision{Operator: who, Reason: why, CloseGap: closeGap}, id)
				printResult(cmd.OutOrStdout(), id, rec, err)
				if err != nil {
					failed++
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d messages were not discarded, see above", failed, len(ids))
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&why, "why", "", "the reason, for the audit row")
	closeGapFlag(cmd, &closeGap)
	whoFlag(cmd, &who)
	return cmd
}

// newRequest is a request of its own: whoever types a command twice means it twice, and the message's state decides.
func newRequest(action, id string) (idempotency.Request, error) {
	return idempotency.NewRequest(uuid.NewString(), action+" "+id, struct{}{})
}
