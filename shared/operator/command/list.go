package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"settlement/shared/parking"
)

const (
	listPage   = 100 // messages read at once
	reasonWide = 80  // bytes of a reason in the list
	allStates  = "all"
)

func newList(with opened) *cobra.Command {
	var state, order, output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list messages, newest first",
		Args: func(cmd *cobra.Command, args []string) error {
			if state != allStates && !slices.Contains(parking.States(), parking.State(state)) {
				return fmt.Errorf("--state is %q, must be all or one of %v", state, parking.States())
			}
			if output != "table" && output != "json" {
				return fmt.Errorf("--output is %q, must be table or json", output)
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: with(func(cmd *cobra.Command, desk Desk, _ []string) error {
			f := parking.Filter{OrderingKey: order, Limit: listPage}
			if state != allStates {
				f.State = parking.State(state)
			}
			if output == "json" {
				return listJSON(cmd, desk.Lot, f)
			}
			return list(cmd, desk.Lot, f)
		}),
	}

	cmd.Flags().StringVar(&state, "state", string(parking.Parked), "only messages in this state, or all")
	cmd.Flags().StringVar(&order, "order", "", "only messages of this order, or of this customer's points")
	cmd.Flags().StringVarP(&output, "output", "o", "table",
		"table, or json: one object a line, without payloads")
	return cmd
}

func list(cmd *cobra.Command, lot *parking.Lot, f parking.Filter) error {
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "ID\tSTATE\tCAUSE\tTOPIC\tORDER\tSEQ\tTRIES\tSINCE\tREASON")
	n, err := each(cmd.Context(), lot, f, func(r parking.Record) error { printLine(out, r); return nil })
	if err != nil {
		return err
	}

	if err := out.Flush(); err != nil {
		return err
	}
	cmd.PrintErrf("%d messages\n", n)
	return nil
}

func listJSON(cmd *cobra.Command, lot *parking.Lot, f parking.Filter) error {
	out := json.NewEncoder(cmd.OutOrStdout())
	_, err := each(cmd.Context(), lot, f, func(r parking.Record) error { return out.Encode(r) })
	return err
}

// each calls do with each message that f chooses, and returns how many there were.
func each(
	ctx context.Context, lot *parking.Lot, f parking.Filter, do func(parking.Record) error,
) (n int, err error) {
	for {
		page, next, err := lot.List(ctx, f)
		if err != nil {
			return n, err
		}
		for _, r := range page {
			if err := do(r); err != nil {
				return n, err
			}
			n++
		}
		if f.Cursor = next; next == "" {
			return n, nil
		}
	}
}

func printLine(out io.Writer, r parking.Record) {
	order, seq := "-", "-"
	if r.Subject != (parking.Subject{}) {
		order, seq = r.OrderingKey, fmt.Sprint(r.Seq)
	}
	fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n",
		r.ID, r.State, r.Cause, r.Topic, order, seq, r.Attempts, r.CreatedAt.UTC().Format(time.DateTime),
		oneLine(r.Reason, reasonWide))
}

// oneLine makes text of a message fit a terminal's line and harmless there.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}
