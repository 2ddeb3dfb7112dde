package service

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"settlement/e2e/stack/workspace"
)

// The two services: name of the binary, and of its directory in the module.
const (
	Order   = "order-service"
	Payment = "payment-service"
)

// Build builds the services to .run/bin. Each binary is replaced by a rename: a running one is not
// touched, and a half-written one cannot be started.
func Build(ctx context.Context, w *workspace.Workspace) error {
	unlock, err := w.Lock(ctx, "build")
	if err != nil {
		return err
	}
	defer unlock()

	began := time.Now()
	bin := w.Path("bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return fmt.Errorf("build the services: %w", err)
	}

	fresh := w.Path("bin.unfinished")
	defer os.RemoveAll(fresh)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", fresh+"/", "./"+Order, "./"+Payment)
	cmd.Dir = w.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the services: %w\n%s", err, out)
	}

	for _, name := range []string{Order, Payment} {
		if err := os.Rename(filepath.Join(fresh, name), filepath.Join(bin, name)); err != nil {
			return fmt.Errorf("build the services: %w", err)
		}
	}
	w.Say("services: built in %s", workspace.Since(began))
	return nil
}
