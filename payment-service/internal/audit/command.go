package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"settlement/shared/operator"
)

// breaksShownMax is how many breaks are printed.
const breaksShownMax = 100

// Command is the command "audit". It calls open when it runs, and closes what open returned when it
// ends.
func Command(open func(ctx context.Context) (a *Auditor, closeAll func() error, err error)) *cobra.Command {
	var follow bool
	resumeAt, by := int64(-1), Decision{}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "read the journal and hold it against the books; says where they break",
		Long: "Reads topic journal from where the last audit stopped, checks that each record follows the one before, keeps a copy, and\n" +
			"compares all of it with the payment numbers, entries and balances. Exits with 1 when something is wrong. What is wrong\n" +
			"with the topic stays in table audit_findings, and is told by every audit, until somebody deletes the row.\n\n" +
			"Behind a gap nothing follows, and a stranger's record that fits keeps its place: the chain alone cannot tell. Look at the\n" +
			"messages, and say with --resume-at which one it goes on with, and --why.",
		Args: func(cmd *cobra.Command, args []string) error {
			if resuming := resumeAt >= 0; resuming != (by.Reason != "") {
				return errors.New("--resume-at OFFSET and --why REASON belong together: one of them is missing")
			}
			return errors.Join(cobra.NoArgs(cmd, args), by.check())
		},
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			a, closeAll, err := open(cmd.Context())
			if err != nil {
				return err
			}
			defer func() {
				if closeErr := closeAll(); err == nil {
					err = closeErr
				}
			}()

			if resumeAt >= 0 {
				if err := a.ResumeAt(cmd.Context(), resumeAt, by); err != nil {
					return err
				}
			}

			report, err := auditOnce(cmd, a)
			if err != nil && follow && cmd.Context().Err() != nil {
				return nil // interrupted before there was anything to say
			}
			if err != nil {
				return err
			}

			broken := len(report.Breaks)
			if follow {
				broken += followOn(cmd, a, report)
			}
			if broken > 0 {
				return fmt.Errorf("the journal or the books are broken in %d places, see above", broken)
			}
			return nil
		},
	}

	cmd.Flags().Int64Var(&resumeAt, "resume-at", -1, "first take the message at this offset for the record that it says it is; needs --why (-1: go on where the last audit stopped)")
	cmd.Flags().StringVar(&by.Reason, "why", "", "why it goes on with that message, for table audit_decisions")
	operator.WhoFlag(cmd, &by.Operator)
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with what comes, until SIGINT or SIGTERM")
	return cmd
}

func auditOnce(cmd *cobra.Command, a *Auditor) (Report, error) {
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(cmd.ErrOrStderr()), progressbar.OptionShowCount(),
		progressbar.OptionSetDescription("audit: records compared"), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetVisibility(term.IsTerminal(int(os.Stderr.Fd()))))
	r, err := a.Audit(cmd.Context(), func(records int64) { _ = bar.Set64(records) }) // an error of the bar is none of the audit
	_ = bar.Finish()
	if err == nil {
		r.print(cmd.OutOrStdout())
	}
	return r, err
}

func (r Report) print(out io.Writer) {
	for _, b := range r.Breaks[:min(len(r.Breaks), breaksShownMax)] {
		fmt.Fprintln(out, "BREAK  "+b)
	}
	if more := len(r.Breaks) - breaksShownMax; more > 0 {
		fmt.Fprintf(out, "BREAK  … and %d more\n", more)
	}
	fmt.Fprintf(out, "records: %d, of which %d are new; copies among what was read: %d; hash of the last: %s\n", r.Records, r.New, r.Repeats, r.Hash)
	fmt.Fprintf(out, "decided, and still on the way to the journal: %d\n", r.UnderWay)
	if len(r.Breaks) == 0 {
		fmt.Fprintln(out, "The chain is whole, and the books say what it says.")
	}
}

// followOn goes on after an audit. It prints breaks, errors and which records were compared, and
// returns the number of breaks.
func followOn(cmd *cobra.Command, a *Auditor, r Report) (broken int) {
	out, before := cmd.OutOrStdout(), r.Records
	fmt.Fprintln(out, "Following, until it is interrupted.")
	a.Follow(cmd.Context(), r, func(last int64, breaks []string, err error) {
		for _, b := range breaks {
			fmt.Fprintln(out, "BREAK  "+b)
		}
		broken += len(breaks)

		if err != nil {
			cmd.PrintErrf("trying again: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		} else if last > before {
			fmt.Fprintf(out, "compared records %d to %d\n", before+1, last)
		}
		before = last
	})
	return broken
}
