package compose

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"settlement/e2e/stack/workspace"
)

// The files that docker-compose.yml takes its passwords from, in .secrets/.
const (
	rootSecret     = "mysql_root_password" //nolint:gosec // a file's name
	OrdersSecret   = "orders_password"
	PaymentsSecret = "payments_password"
)

func secretPath(w *workspace.Workspace, name string) string {
	return filepath.Join(w.Root, ".secrets", name)
}

// Secret returns the password in one of the files.
func Secret(w *workspace.Workspace, name string) (string, error) {
	b, err := os.ReadFile(secretPath(w, name))
	return strings.TrimSpace(string(b)), err
}

// MakeSecrets writes a random password to each secrets file that is missing. One that is there
// stays: the database has been made with it.
func MakeSecrets(w *workspace.Workspace) error {
	for _, name := range []string{rootSecret, OrdersSecret, PaymentsSecret} {
		path := secretPath(w, name)
		if _, err := os.Stat(path); err == nil {
			continue
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("make secrets: %w", err)
		}
		// Readable by all, since a container without root reads it under another user id.
		if err := workspace.WriteFile(path, []byte(rand.Text()), 0o644); err != nil {
			return fmt.Errorf("make secrets: %w", err)
		}
		w.Say("made .secrets/%s", name)
	}
	return nil
}
