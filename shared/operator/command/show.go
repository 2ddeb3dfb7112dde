package command

import (
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"settlement/shared/operator"
	"settlement/shared/parking"
)

// payloadShownMax is how many bytes of a payload are printed.
const payloadShownMax = 16 << 10

func newShow(with opened) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "show one message, its payload, and who decided what about it",
		Args:  cobra.ExactArgs(1),
		RunE: with(func(cmd *cobra.Command, desk Desk, args []string) error {
			r, err := desk.Lot.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			history, err := desk.Decisions.History(cmd.Context(), r.ID)
			if err != nil {
				return err
			}
			return show(cmd, r, history)
		}),
	}
}

func show(cmd *cobra.Command, r parking.Record, history []operator.Decided) error {
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"id", r.ID},
		{"state", string(r.State)},
		{"cause", string(r.Cause)},
		{"order", r.OrderingKey},
		{"number", r.Number},
		{"seq", fmt.Sprint(r.Seq)},
		{"reason", oneLine(r.Reason, payloadShownMax)},
		{"tries", fmt.Sprint(r.Attempts)},
		{"resolution", oneLine(r.Resolution, payloadShownMax)},
		{"from", fmt.Sprintf("%s broker %s queue %d offset %d, message %s", r.Topic,
			oneLine(r.Broker, reasonWide), r.Queue, r.Offset, oneLine(r.MessageID, payloadShownMax))},
		{"parked at", r.CreatedAt.UTC().Format(time.RFC3339Nano)},
		{"changed at", r.UpdatedAt.UTC().Format(time.RFC3339Nano)},
	} {
		fmt.Fprintf(out, "%s\t%s\n", line[0], line[1])
	}

	for _, name := range slices.Sorted(maps.Keys(r.Properties)) {
		fmt.Fprintf(out, "property %s\t%s\n", oneLine(name, payloadShownMax),
			oneLine(r.Properties[name], payloadShownMax))
	}
	for _, a := range history {
		fmt.Fprintf(out, "%s\t%s by %s: %s, then %s\n", a.CreatedAt.UTC().Format(time.RFC3339),
			a.Action, oneLine(a.Operator, reasonWide), oneLine(a.Reason, payloadShownMax), a.State)
	}

	fmt.Fprintf(out, "payload\t%d bytes: %s\n", len(r.Payload), oneLine(string(r.Payload), payloadShownMax))
	return out.Flush()
}
