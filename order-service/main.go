// Command order-service takes orders and their instructions: see README.md, and order-service --help.
package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"settlement/shared/config"
	"settlement/shared/lifecycle"
	"settlement/shared/operator"
)

func main() {
	var cfg config.Config
	lifecycle.Main(lifecycle.Service{
		Name: "order-service",
		Load: func() (_ config.Config, err error) {
			cfg, err = loadConfig()
			return cfg, err
		},
		Serve: func(ctx context.Context, log *slog.Logger) error { return run(ctx, cfg, log) },
		Commands: []*cobra.Command{
			operator.Command(func() (operator.Desk, error) { return openDesk(cfg) }),
		},
	})
}
