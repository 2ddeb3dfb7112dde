package process

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A process that is not recorded must not run: nobody could stop it.
func TestNothingIsExecutedBeforeItIsRecorded(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "executed")
	p := Program{
		Name: "marker", Path: "/usr/bin/touch", Args: []string{mark}, Dir: dir,
		Log: filepath.Join(dir, "marker.log"),
	}

	full := errors.New("no space left on device")
	if _, err := StartDetached(p, func(*Process) error { return full }); !errors.Is(err, full) {
		t.Fatalf("start answers %v, want %v", err, full)
	}
	if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the program was executed although it could not be recorded: %v", err)
	}

	run, err := StartDetached(p, func(*Process) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Exit(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Fatalf("the program was recorded and not executed: %v", err)
	}
}
