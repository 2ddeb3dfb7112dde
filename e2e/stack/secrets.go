package stack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// The files that docker-compose.yml takes its passwords from, in .secrets/.
const (
	rootSecret     = "mysql_root_password" //nolint:gosec // a file's name
	ordersSecret   = "orders_password"
	paymentsSecret = "payments_password"
)

// MakeSecrets writes a random password to each secrets file that is missing. One that is there stays:
// the database has been made with it.
func MakeSecrets(log io.Writer) error {
	w, err := newWorkspace(log)
	if err != nil {
		return err
	}
	return w.makeSecrets()
}

func (w *workspace) secretPath(name string) string { return filepath.Join(w.root, ".secrets", name) }

func (w *workspace) secret(name string) (string, error) {
	b, err := os.ReadFile(w.secretPath(name))
	return strings.TrimSpace(string(b)), err
}

func (w *workspace) makeSecrets() error {
	for _, name := range []string{rootSecret, ordersSecret, paymentsSecret} {
		path := w.secretPath(name)
		if _, err := os.Stat(path); err == nil {
			continue
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("make secrets: %w", err)
		}
		// Readable by all, since a container without root reads it under another user id.
		if err := writeFile(path, []byte(newPassword()), 0o644); err != nil {
			return fmt.Errorf("make secrets: %w", err)
		}
		w.say("made .secrets/%s", name)
	}
	return nil
}
