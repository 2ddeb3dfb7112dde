package command

import (
	"github.com/spf13/cobra"

	"settlement/shared/operator"
)

func newReplay(with opened) *cobra.Command {
	return newDecision(with, action{
		name: "replay", done: "replayed", do: (*operator.Decisions).Replay, try: (*operator.Decisions).
			TryReplay,
	}, &cobra.Command{
		Use:   "replay [ID…]",
		Short: "do what parked messages ask: those named, all of an order, all that match, or all",
		Long: "Does what parked messages ask, oldest first. What is chosen is fixed when it begins: a message that is parked while it runs\n" +
			"is not replayed. A message whose predecessor is not done waits, and is done behind it. One that was done before\n" +
			"is found by its number, and nothing changes. Exits with 1 when none was chosen or one of them could not be replayed.",
	})
}
