package operator

import (
	"context"

	"github.com/spf13/cobra"

	"settlement/shared/idempotency"
	"settlement/shared/parking"
)

func newReplay(with opened) *cobra.Command {
	d := decision{action: action{
		name: "replay", done: "replayed",
		do: func(ctx context.Context, lot *parking.Lot, req idempotency.Request, by parking.Decision, id string) (parking.Record, error) {
			return lot.Replay(ctx, req, by, id)
		},
		try: func(ctx context.Context, lot *parking.Lot, by parking.Decision, id string) (parking.Record, error) {
			return lot.TryReplay(ctx, by, id)
		},
	}}
	cmd := &cobra.Command{
		Use:   "replay [ID…]",
		Short: "do what parked messages ask: those named, all of an order, all that match, or all",
		Long: "Does what parked messages ask, oldest first. What is chosen is fixed when it begins: a message that is parked while it runs\n" +
			"is not replayed. A message whose predecessor is not done waits, and is done behind it. One that was done before\n" +
			"is found by its number, and nothing changes. Exits with 1 when none was chosen or one of them could not be replayed.",
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
