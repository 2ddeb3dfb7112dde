// Package overlay builds the services with small changes to their source, which itself stays as it
// is: the product needs no switch for what tests want of it.
package overlay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Edit replaces a text in a file.
type Edit struct {
	File    string // relative to the module's root, or absolute
	Find    string // there exactly once
	Replace string
}

// Apply returns the changed files by their absolute path. An edit whose text is not there exactly
// once is an error that names the file and the text. Later edits see what earlier ones changed.
func Apply(root string, edits []Edit) (map[string][]byte, error) {
	changed := map[string][]byte{}
	for _, e := range edits {
		path := e.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(root, path)
		}

		source, done := changed[path]
		if !done {
			var err error
			if source, err = os.ReadFile(path); err != nil {
				return nil, err
			}
		}

		if n := strings.Count(string(source), e.Find); n != 1 {
			return nil, fmt.Errorf("%s: the text to replace is there %d times, want once; adapt the edit to the source:\n%s",
				e.File, n, e.Find)
		}
		changed[path] = []byte(strings.Replace(string(source), e.Find, e.Replace, 1))
	}
	return changed, nil
}

// Build applies edits and builds packages, such as ./order-service, into the directory out.
func Build(ctx context.Context, out string, edits []Edit, packages ...string) (err error) {
	root, err := Root(ctx)
	if err != nil {
		return err
	}
	changed, err := Apply(root, edits)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "settlement-overlay-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()

	var list struct{ Replace map[string]string }
	list.Replace = map[string]string{}
	for path, source := range changed {
		copied := filepath.Join(scratch, fmt.Sprintf("%d-%s", len(list.Replace), filepath.Base(path)))
		if err := os.WriteFile(copied, source, 0o600); err != nil {
			return err
		}
		list.Replace[path] = copied
	}

	encoded, err := json.Marshal(list)
	if err != nil {
		return err
	}
	file := filepath.Join(scratch, "overlay.json")
	if err := os.WriteFile(file, encoded, 0o600); err != nil {
		return err
	}

	args := append([]string{"build", "-overlay", file, "-o", out + string(filepath.Separator)}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", strings.Join(packages, " "), err, output)
	}
	return nil
}

// Root is the directory of the module.
func Root(ctx context.Context) (string, error) { return goEnv(ctx, "list", "-m", "-f", "{{.Dir}}") }

// StandardLibrary is the directory of the standard library's source.
func StandardLibrary(ctx context.Context) (string, error) {
	root, err := goEnv(ctx, "env", "GOROOT")
	return filepath.Join(root, "src"), err
}

func goEnv(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
