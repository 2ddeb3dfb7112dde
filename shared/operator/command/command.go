// Package command is the command line on which parked messages are looked at and decided on. It
// works on the service's database, whether the service runs or not. The next relay that runs sends
// what a command has written to the outbox.
package command

import (
	"fmt"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"settlement/shared/operator"
	"settlement/shared/parking"
)

// Desk is what the commands work with.
type Desk struct {
	Lot       *parking.Lot
	Decisions *operator.Decisions
	Close     func()
}

// Parked is "parked" with its subcommands. The subcommand that runs calls open.
func Parked(open func() (Desk, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "look at parked messages, and replay or discard them",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}

	with := func(do func(cmd *cobra.Command, desk Desk, args []string) error) func(*cobra.Command,
		[]string) error {
		return func(cmd *cobra.Command, args []string) error {
			desk, err := open()
			if err != nil {
				return err
			}
			defer desk.Close()
			return do(cmd, desk, args)
		}
	}

	cmd.AddCommand(newList(with), newShow(with), newReplay(with), newDiscard(with))
	return cmd
}

// opened makes the run function of a command: it opens the desk, calls do with it, and closes
// the desk.
type opened = func(do func(cmd *cobra.Command, desk Desk, args []string) error) func(*cobra.Command,
	[]string) error

// WhoFlag adds --who, which is the user of this machine unless it is set.
func WhoFlag(cmd *cobra.Command, who *string) {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name = fmt.Sprintf("%s@%s", name, host)
	}

	cmd.Flags().StringVar(who, "who", name, "who decides, for the audit row")
}
