// Command payment-service settles: see README.md, and payment-service --help.
package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"settlement/payment-service/internal/audit"
	auditcommand "settlement/payment-service/internal/audit/command"
	"settlement/shared/config"
	"settlement/shared/lifecycle"
	"settlement/shared/operator/command"
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
			command.Parked(func() (command.Desk, error) { return openDesk(cfg) }),
			auditcommand.Audit(func(ctx context.Context) (*audit.Auditor, func() error,
				error,
			) {
				return openAuditor(ctx, cfg)
			}),
		},
	})
}

// loadConfig reads the environment; shared/config lists the variables.
func loadConfig() (config.Config, error) {
	return config.Load(config.Config{HTTPAddr: "127.0.0.1:8082", DBName: "payments", DBUser: "payments"})
}
