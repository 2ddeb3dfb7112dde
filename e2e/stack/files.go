package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// envFile is what `make up` leaves for people and tools: KEY=VALUE lines.
func (w *workspace) envFile() string { return w.path("stack.env") }

func (w *workspace) writeEnv(a Addresses) error {
	var b strings.Builder
	for _, kv := range [][2]string{
		{"ORDER_URL", a.OrderURL},
		{"PAYMENT_URL", a.PaymentURL},
		{"NAMESRV_ADDR", a.NamesrvAddr},
		{"BROKER_ADDR", a.BrokerAddr},
		{"ORDER_DSN", a.OrderDSN},
		{"PAYMENT_DSN", a.PaymentDSN},
	} {
		fmt.Fprintf(&b, "%s=%s\n", kv[0], kv[1])
	}
	return writeFile(w.envFile(), []byte(b.String()), 0o600)
}

// writeFile replaces a file whole: readers see the old or the new one, also after a crash.
func writeFile(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
