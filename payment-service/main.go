// Command payment-service settles: see README.md, and payment-service --help.
package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"settlement/payment-service/internal/audit"
	"settlement/shared/config"
	"settlement/shared/lifecycle"
	"settlement/shared/operator"
)

func main() {
	var cfg config.Config
	lifecycle.Main(lifecycle.Service{
		Name: "payment-service",
		Load: func() (_ config.Config, err error) {
			cfg, err = loadConfig()
			return cfg, err
		},
		Serve: func(ctx context.Context, log *slog.Logger) error { return run(ctx, cfg, log) },
		Commands: []*cobra.Command{
			operator.Command(func() (operator.Desk, error) { return openDesk(cfg) }),
			audit.Command(func(ctx context.Context) (*audit.Auditor, func() error, error) { return openAuditor(ctx, cfg) }),
		},
	})
}
