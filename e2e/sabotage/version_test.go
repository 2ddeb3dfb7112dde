package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"settlement/e2e/cases"
	"settlement/e2e/checker"
	"settlement/e2e/overlay"
	"settlement/e2e/readmes"
	"settlement/e2e/report"
)

func TestEveryEditFitsTheSource(t *testing.T) {
	root, err := overlay.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	says := sources(t, root, "e2e/checker", "e2e/cases")

	names := map[string]bool{}
	for _, v := range versions() {
		if _, err := overlay.Apply(root, v.Edits); err != nil {
			t.Errorf("version %s: %v", v.Name, err)
		}

		if _, err := cases.Named(v.Cases...); err != nil || len(v.Cases) == 0 || len(v.Sees) == 0 || names[v.Name] {
			t.Errorf("version %s: cases %v, to be seen as %q: %v", v.Name, v.Cases, v.Sees, err)
		}
		names[v.Name] = true
		for _, text := range v.Sees {
			// A violation on one topic begins with the topic's name.
			if !strings.Contains(says, `"`+strings.TrimPrefix(text, "topic points: ")) {
				t.Errorf("version %s: nothing says %q", v.Name, text)
			}
		}
	}
}

// sources returns the files of packages, tests left out, one behind the other.
func sources(t *testing.T, root string, packages ...string) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range packages {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}

		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file, "_test.go") {
				all.Write(text)
			}
		}
	}
	return all.String()
}

var update = flag.Bool("update", false, "write the listing in e2e/README.md and e2e/README.zh-CN.md")

// Both READMEs list every version, as it tells itself.
func TestTheListingsAreCurrent(t *testing.T) {
	for file, language := range map[string]cases.Language{"../README.md": cases.English, "../README.zh-CN.md": cases.Chinese} {
		readmes.Generated(t, file, "go test ./e2e/sabotage -run Listings -update", listing(language), *update)
	}
}

// A wrong version is caught by what it does wrong, and not by being slow.
func TestACatchIsWhatTheVersionWasBuiltToViolate(t *testing.T) {
	r := result{version: version{Name: "forgetful", Sees: []string{"accepted, never decided"}}}
	late := report.Row{Case: "broker-killed", Violations: []checker.Violation{
		{Invariant: checker.Lost, What: "messages are not acknowledged"}, {Invariant: checker.Recovery, What: "it never recovered"},
	}}
	if r.caught(late); r.CaughtIn != "" {
		t.Errorf("caught by %q in a case that only sees it late", r.CaughtBy)
	}
	if note := missed(late); !strings.Contains(note, "broker-killed") || !strings.Contains(note, "messages are not acknowledged") {
		t.Errorf("note %q, want what was seen instead", note)
	}

	lost := late
	lost.Violations = append(lost.Violations, checker.Violation{Invariant: checker.Lost, What: "accepted, never decided", OrderID: "o"})
	if r.caught(lost); r.CaughtIn != "broker-killed" || r.CaughtBy != "L: accepted, never decided" {
		t.Errorf("caught in %q by %q, want it seen", r.CaughtIn, r.CaughtBy)
	}
}
