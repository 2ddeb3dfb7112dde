package operator

import (
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
	"settlement/shared/parking"
)

// rateMax bounds --rate, in messages a second.
const rateMax = 1000

// replay is what the command was told.
type replay struct {
	selection parking.Selection
	why, who  string
	rate      float64
	dryRun    bool
	closeGap  bool
}

func newReplay(with opened) *cobra.Command {
	var r replay
	cmd := &cobra.Command{
		Use:   "replay [ID…]",
		Short: "settle parked messages: those named, all of an order, all that match, or all",
		Long: "Settles parked messages, oldest first. What is chosen is fixed when it begins: a message that is parked while it runs\n" +
			"is not replayed. A message whose predecessor is not done waits, and is settled behind it. One that was settled before\n" +
			"is found by its payment number, and nothing changes. Exits with 1 when one of them could not be replayed.",
		RunE: with(func(cmd *cobra.Command, lot *parking.Lot, ids []string) error {
			r.selection.IDs = ids
			if err := r.validate(); err != nil {
				return err
			}
			return r.run(cmd, lot)
		}),
	}
	cmd.Flags().StringVar(&r.selection.OrderID, "order", "", "all of this order")
	cmd.Flags().StringVar(&r.selection.Matching, "matching", "", "all whose reason has this text in it")
	cmd.Flags().BoolVar(&r.selection.All, "all", false, "all that are parked")
	cmd.Flags().StringVar(&r.why, "why", "", "the reason, for the audit row")
	cmd.Flags().Float64Var(&r.rate, "rate", 10, "messages a second, at most")
	cmd.Flags().BoolVar(&r.dryRun, "dry-run", false, "say what would become of each, one by one as things are now, and change nothing")
	closeGapFlag(cmd, &r.closeGap)
	whoFlag(cmd, &r.who)
	return cmd
}

func (r replay) validate() error {
	if err := r.selection.Validate(); err != nil {
		return err
	}
	if r.why == "" && !r.dryRun {
		return errors.New("--why is missing: say for the audit row why these messages are replayed")
	}
	if r.rate <= 0 || r.rate > rateMax {
		return fmt.Errorf("--rate is %g, must be above 0 and at most %d messages a second", r.rate, rateMax)
	}
	return nil
}

func (r replay) run(cmd *cobra.Command, lot *parking.Lot) error {
	ctx := cmd.Context()
	chosen, err := lot.Select(ctx, r.selection)
	if err != nil {
		return err
	}
	bar := progressbar.NewOptions(len(chosen), progressbar.OptionSetWriter(cmd.ErrOrStderr()), progressbar.OptionShowCount(),
		progressbar.OptionSetDescription("replay"), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetVisibility(term.IsTerminal(int(os.Stderr.Fd()))))
	limit := rate.NewLimiter(rate.Limit(r.rate), 1)
	done, failed := 0, 0
	for _, id := range chosen {
		if err := limit.Wait(ctx); err != nil {
			return errors.Join(fmt.Errorf("stopped after %d of %d messages: what was replayed stays so", done+failed, len(chosen)), err)
		}
		rec, err := r.one(cmd, lot, id)
		_ = bar.Clear() // the bar only shows, and comes again below the line
		printResult(cmd.OutOrStdout(), id, rec, err)
		_ = bar.Add(1)
		if err == nil {
			done++
		} else {
			failed++
		}
	}
	what := "replayed"
	if r.dryRun {
		what = "would be replayed; nothing was changed"
	}
	cmd.PrintErrf("%d of %d messages %s\n", done, len(chosen), what)
	if failed > 0 {
		return fmt.Errorf("%d of %d messages were not replayed, see above", failed, len(chosen))
	}
	return nil
}

// one replays a message, or finds out what that would come to.
func (r replay) one(cmd *cobra.Command, lot *parking.Lot, id string) (parking.Record, error) {
	by := parking.Decision{Operator: r.who, Reason: r.why, CloseGap: r.closeGap}
	if r.dryRun {
		return lot.TryReplay(cmd.Context(), by, id)
	}
	req, err := newRequest("replay", id)
	if err != nil {
		return parking.Record{}, err
	}
	return lot.Replay(cmd.Context(), req, by, id)
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
