package command

import (
	"github.com/spf13/cobra"

	"settlement/shared/operator"
)

func newDiscard(with opened) *cobra.Command {
	return newDecision(with, action{
		name: "discard", done: "discarded", do: (*operator.Decisions).Discard, try: (*operator.Decisions).
			TryDiscard,
	}, &cobra.Command{
		Use:   "discard [ID…]",
		Short: "give parked messages up for good: their instructions fail, their orders hear of it",
		Long: "Gives parked messages up for good, oldest first. An instruction is recorded as failed under its payment number, and its\n" +
			"order hears of it; its successors go on. Exits with 1 when none was chosen or one of them could not be discarded.",
	})
}
