package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"golang.org/x/time/rate"

	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/operator"
	"settlement/shared/parking"
)

const (
	// rateDefault and rateMax are the default and the maximum of --rate, in messages a second.
	rateDefault = 10
	rateMax     = 1000
)

// action is one kind of decision about a message. do carries it out, try finds out what it would
// come to.
type action struct {
	name, done string // "replay", "replayed"

	do func(
		d *operator.Decisions, ctx context.Context, req *idempotency.Request, by operator.Decision, id string,
	) (parking.Record, error)
	try func(
		d *operator.Decisions, ctx context.Context, by operator.Decision, id string,
	) (parking.Record, error)
}

// decision is what the command line asks for.
type decision struct {
	action
	selection parking.Selection
	by        operator.Decision
	rate      float64
	dryRun    bool
}

// newDecision makes cmd the command of an action.
func newDecision(with opened, a action, cmd *cobra.Command) *cobra.Command {
	d := decision{action: a}
	cmd.Args = func(_ *cobra.Command, ids []string) error {
		d.selection.IDs = ids
		return d.validate()
	}
	cmd.RunE = with(func(cmd *cobra.Command, desk Desk, _ []string) error { return d.run(cmd, desk) })
	d.flags(cmd)
	return cmd
}

// flags adds the flags that every decision has.
func (d *decision) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.selection.OrderID, "order", "",
		"all of this order, or of this customer's points")
	cmd.Flags().StringVar(&d.selection.Matching, "matching", "",
		"all whose reason has exactly this text in it")
	cmd.Flags().BoolVar(&d.selection.All, "all", false, "all that are parked")
	cmd.Flags().StringVar(&d.by.Reason, "why", "", "the reason, for the audit row")
	cmd.Flags().Float64Var(&d.rate, "rate", rateDefault, "messages a second, at most")
	cmd.Flags().BoolVar(&d.dryRun, "dry-run", false,
		"say what would become of each, one by one as things are now, and change nothing")
	cmd.Flags().BoolVar(&d.by.CloseGap, "close-gap", false,
		"what these messages wait for will never come: their sequence goes on without it")
	WhoFlag(cmd, &d.by.Operator)
}

func (d *decision) validate() error {
	if err := d.selection.Validate(); err != nil {
		return err
	}
	if d.by.Reason == "" && !d.dryRun {
		return fmt.Errorf("--why is missing: say for the audit row why these messages are %s", d.done)
	}
	if !(d.rate > 0 && d.rate <= rateMax) {
		return fmt.Errorf("--rate is %g, must be above 0 and at most %d messages a second", d.rate, rateMax)
	}
	return nil
}

// run decides about each chosen message. An error means that not all that the command asked for was
// done.
func (d *decision) run(cmd *cobra.Command, desk Desk) error {
	ctx := cmd.Context()
	chosen, err := desk.Lot.Select(ctx, d.selection)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		return errors.New("no parked message is chosen: see parked list")
	}

	bar := progressbar.NewOptions(len(chosen), progressbar.OptionSetWriter(cmd.ErrOrStderr()),
		progressbar.OptionShowCount(),
		progressbar.OptionSetDescription(d.name), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetVisibility(term.IsTerminal(int(os.Stderr.Fd()))))
	limit := rate.NewLimiter(rate.Limit(d.rate), 1)
	done, failed := 0, 0
	for _, id := range chosen {
		if err := limit.Wait(ctx); err != nil {
			return errors.Join(fmt.Errorf("stopped after %d of %d messages: what was %s stays so", done+
				failed, len(chosen), d.done), err)
		}
		rec, err := d.one(ctx, desk.Decisions, id)
		_ = bar.Clear() // the bar only shows, and comes again below the line
		printResult(cmd.OutOrStdout(), id, rec, err)
		_ = bar.Add(1)
		if err == nil {
			done++
		} else {
			failed++
		}
	}

	what := d.done
	if d.dryRun {
		what = "would be " + d.done + "; nothing was changed"
	}
	cmd.PrintErrf("%d of %d messages %s\n", done, len(chosen), what)
	if failed > 0 {
		return fmt.Errorf("%d of %d messages were not %s, see above", failed, len(chosen), d.done)
	}
	return nil
}

func (d *decision) one(
	ctx context.Context, decisions *operator.Decisions, id string,
) (parking.Record, error) {
	if d.dryRun {
		return d.try(decisions, ctx, d.by, id)
	}
	return d.do(decisions, ctx, nil, d.by, id) // no request, which somebody would repeat under its key
}

// printResult prints what became of a message.
func printResult(out io.Writer, id string, rec parking.Record, err error) {
	var refusal *idempotency.Refusal
	switch {
	case errors.As(err, &refusal):
		fmt.Fprintf(out, "%s  refused: %s\n", id, oneLine(refusal.Detail, payloadShownMax))
	case errors.Is(err, dbtx.ErrCommitUnknown):
		fmt.Fprintf(out, "%s  unknown, done or not: see parked show %s\n", id, id)
	case err != nil:
		fmt.Fprintf(out, "%s  failed, unchanged: %s\n", id, oneLine(err.Error(), payloadShownMax))
	case rec.State == parking.Waiting:
		fmt.Fprintf(out, "%s  waits for its predecessor\n", id)
	default:
		fmt.Fprintf(out, "%s  %s: %s\n", id, rec.State, oneLine(rec.Resolution, payloadShownMax))
	}
}
