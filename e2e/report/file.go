package report

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeFile writes a report. Directories that are missing are made.
func writeFile(path string, text []byte) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write report %s: %w", path, err)
	}
	return nil
}
