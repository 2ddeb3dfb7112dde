// Package testcheckout gives a test an empty checkout with a .run of its own.
package testcheckout

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"settlement/e2e/stack/process"
	"settlement/e2e/stack/workspace"
)

// New makes an empty checkout the working directory.
func New(t *testing.T) *workspace.Workspace {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module settlement\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	w, err := workspace.Find(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Sleeper is a program that goes on until it is stopped.
func Sleeper(w *workspace.Workspace) process.Program {
	return process.Program{
		Name: "sleeper", Path: "/bin/sleep", Args: []string{"600"}, Dir: w.Root, Log: w.Path("sleeper.log"),
	}
}

// Lines is a log that several goroutines write.
type Lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *Lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
