package operator

import (
	"context"

	"github.com/spf13/cobra"

	"settlement/shared/idempotency"
	"settlement/shared/parking"
)

func newDiscard(with opened) *cobra.Command {
	d := decision{action: action{
		name: "discard", done: "discarded",
		do: func(ctx context.Context, lot *parking.Lot, req idempotency.Request, by parking.Decision, id string) (parking.Record, error) {
			return lot.Discard(ctx, req, by, id)
		},
		try: func(ctx context.Context, lot *parking.Lot, by parking.Decision, id string) (parking.Record, error) {
			return lot.TryDiscard(ctx, by, id)
		},
	}}
	cmd := &cobra.Command{
		Use:   "discard [ID…]",
		Short: "give parked messages up for good: their instructions fail, their orders hear of it",
		Long: "Gives parked messages up for good, oldest first. An instruction is recorded as failed under its payment number, and its\n" +
			"order hears of it; its successors go on. Exits with 1 when none was chosen or one of them could not be discarded.",
		RunE: with(func(cmd *cobra.Command, lot *parking.Lot, ids []string) error {
			d.selection.IDs = ids
			if err := d.validate(); err != nil {
				return err
			}
			return d.run(cmd, lot)
		}),
	}
	d.flags(cmd)
	return cmd
}
