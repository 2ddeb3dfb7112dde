package lifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"settlement/shared/config"
	"settlement/shared/logs"
)

// Exit codes of a service.
const (
	exitDone   = 0 // a service: stopped by a signal, everything under way finished
	exitFailed = 1 // could not start, could not stop cleanly, or a command did not do all that was asked
	exitWrong  = 2 // the environment or the arguments are wrong
)

// Service is a service's command line: without arguments it serves, with healthcheck it asks the
// instance that runs beside it whether that is ready.
type Service struct {
	Name string
	// Load reads the environment; it is called before any command runs.
	Load func() (config.Config, error)
	// Serve runs until ctx ends.
	Serve func(ctx context.Context, log *slog.Logger) error
	// Commands are further commands.
	Commands []*cobra.Command
}

// Main runs the command line of the process and ends it. SIGINT and SIGTERM end the command's
// context.
func Main(s Service) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := s.run(ctx)
	stop()
	os.Exit(code)
}

func (s Service) run(ctx context.Context) (code int) {
	var cfg config.Config
	began := false // false: the arguments or the environment are wrong

	root := &cobra.Command{
		Use:   s.Name,
		Short: s.Name + " serves until SIGINT or SIGTERM. It is configured by the environment, see shared/config/README.md.",
		Args:  cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) (err error) {
			cfg, err = s.Load()
			began = err == nil
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error { //nolint:contextcheck // the command's context is ctx
			log := logs.New(os.Stderr, cfg.LogLevel).With("service", s.Name)
			if err := s.Serve(cmd.Context(), log); err != nil {
				log.Error(s.Name+" ends", "error", err)
				code = exitFailed
			}
			return nil
		},
		SilenceErrors: true,
		SilenceUsage:  true,
	}

	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(&cobra.Command{
		Use:   "healthcheck",
		Short: "exits with 0 when the instance that runs beside it is ready",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return Healthcheck(cmd.Context(), cfg.HTTPAddr) }, //nolint:contextcheck // the command's context is ctx
	})
	root.AddCommand(s.Commands...)

	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", s.Name, err)
		if !began {
			return exitWrong
		}
		return exitFailed
	}
	return code
}
