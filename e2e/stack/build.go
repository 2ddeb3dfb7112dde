package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// The two services: name of the binary, and of its directory in the module.
const (
	OrderService   = "order-service"
	PaymentService = "payment-service"
)

// build builds the services to .run/bin. Each binary is replaced by a rename: a running one is not
// touched, and a half-written one cannot be started.
func (w *workspace) build(ctx context.Context) error {
	unlock, err := w.lock(ctx, "build")
	if err != nil {
		return err
	}
	defer unlock()

	began := time.Now()
	bin := w.path("bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return fmt.Errorf("build the services: %w", err)
	}

	fresh := w.path("bin.unfinished")
	defer os.RemoveAll(fresh)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", fresh+"/", "./"+OrderService, "./"+PaymentService)
	cmd.Dir = w.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the services: %w\n%s", err, out)
	}

	for _, name := range []string{OrderService, PaymentService} {
		if err := os.Rename(filepath.Join(fresh, name), filepath.Join(bin, name)); err != nil {
			return fmt.Errorf("build the services: %w", err)
		}
	}
	w.say("services: built in %s", since(began))
	return nil
}
