// Package command is the command line of package audit.
package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"settlement/payment-service/internal/audit"
	operator "settlement/shared/operator/command"
)

// Audit is the command "audit". It calls open when it runs, and closes what open returned when it
// ends.
func Audit(
	open func(ctx context.Context) (a *audit.Auditor, closeAll func() error, err error),
) *cobra.Command {
	var follow bool
	resumeAt, by := int64(-1), audit.Decision{}
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
				return errors.New(
					"--resume-at OFFSET and --why REASON belong together: one of them is missing",
				)
			}
			return errors.Join(cobra.NoArgs(cmd, args), by.Check())
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

	cmd.Flags().Int64Var(&resumeAt, "resume-at", -1,
		"first take the message at this offset for the record that it says it is; needs --why (-1: go on where the last audit stopped)")
	cmd.Flags().StringVar(&by.Reason, "why", "",
		"why it goes on with that message, for table audit_decisions")
	operator.WhoFlag(cmd, &by.Operator)
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with what comes, until SIGINT or SIGTERM")
	return cmd
}

func auditOnce(cmd *cobra.Command, a *audit.Auditor) (audit.Report, error) {
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(cmd.ErrOrStderr()),
		progressbar.OptionShowCount(),
		progressbar.OptionSetDescription("audit: records compared"), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetVisibility(term.IsTerminal(int(os.Stderr.Fd()))))
	// An error of the bar is none of the audit.
	r, err := a.Audit(cmd.Context(), func(records int64) { _ = bar.Set64(records) })
	_ = bar.Finish()
	if err == nil {
		r.Print(cmd.OutOrStdout())
	}
	return r, err
}

// followOn goes on after an audit. It prints breaks, errors and which records were compared, and
// returns the number of breaks.
func followOn(cmd *cobra.Command, a *audit.Auditor, r audit.Report) (broken int) {
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
