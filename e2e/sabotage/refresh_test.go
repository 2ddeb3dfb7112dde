package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// indexLine is the line of a diff that names blobs. They would be others after each change of the
// source.
var indexLine = regexp.MustCompile(`(?m)^index [0-9a-f]+\.\.[0-9a-f]+ [0-7]+\n`)

// diff is the unified diff from the source at root to the changed files, as git writes it.
func diff(t *testing.T, root string, changed map[string][]byte) []byte {
	t.Helper()
	dir := t.TempDir()
	for path, after := range changed {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "a", name), before)
		put(t, filepath.Join(dir, "b", name), after)
	}

	cmd := exec.CommandContext(t.Context(), "git", "diff", "--no-index",
		"--no-prefix", "--no-color", "a", "b")
	cmd.Dir = dir
	out, err := cmd.Output()
	var differ *exec.ExitError
	if err != nil && (!errors.As(err, &differ) || differ.ExitCode() != 1) { // 1: they differ
		t.Fatal(err)
	}
	return indexLine.ReplaceAll(out, nil)
}

func put(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil { //nolint:gosec // the path of a patch, or of a copy
		t.Fatal(err)
	}
}

// refresh writes the diff of a patch anew, below its header.
func refresh(t *testing.T, file string, diff []byte) {
	t.Helper()
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := bytes.Cut(old, []byte("\n\n"))
	put(t, file, append(append(header, "\n\n"...), diff...))
}
