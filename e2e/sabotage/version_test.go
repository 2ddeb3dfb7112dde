package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"settlement/e2e/cases"
	"settlement/e2e/checker"
	"settlement/e2e/overlay"
	"settlement/e2e/readmes"
	"settlement/e2e/report"
)

var update = flag.Bool("update", false,
	"write the line numbers of the patches anew, and the listings in e2e/README.md and e2e/README.zh-CN.md")

// A patch whose lines the product no longer has is mended by hand, in its minus and context lines.
// Its line numbers need no care: -update writes them.
func TestEveryPatchFitsTheSource(t *testing.T) {
	root := rootOf(t)
	for _, v := range all(t) {
		changed, err := overlay.Apply(root, v.Edits)
		if err != nil {
			t.Errorf("%s: %v\nMend the lines of the patch, and run: go test ./e2e/sabotage -update",
				v.File, err)
			continue
		}
		if *update {
			refresh(t, v.File, diff(t, root, changed))
		}

		check := exec.CommandContext(t.Context(), "git", "apply", "--check",
			filepath.Join("e2e/sabotage", v.File))
		check.Dir = root
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("git apply %s: %v\n%s", v.File, err, out)
		}
	}
}

func TestEveryVersionNamesACaseAndWhatItSees(t *testing.T) {
	says, names := sources(t, rootOf(t), "e2e/checker", "e2e/cases"), map[string]bool{}
	for _, v := range all(t) {
		if _, err := cases.Named(v.Cases...); err != nil || names[v.Name] {
			t.Errorf("version %s, seen before: %t; cases %v: %v", v.Name, names[v.Name], v.Cases, err)
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

func all(t *testing.T) []version {
	t.Helper()
	all, err := versions()
	if err != nil || len(all) == 0 {
		t.Fatalf("%d versions: %v", len(all), err)
	}
	return all
}

func rootOf(t *testing.T) string {
	t.Helper()
	root, err := overlay.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return root
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

// Both READMEs list every version, as it tells itself.
func TestTheListingsAreCurrent(t *testing.T) {
	for file, language := range map[string]cases.Language{
		"../README.md": cases.English, "../README.zh-CN.md": cases.Chinese,
	} {
		readmes.Generated(t, file, "go test ./e2e/sabotage -update", listing(language, all(t)), *update)
	}
}

func TestAPatchWithoutItsHeaderIsRefused(t *testing.T) {
	const diff = "\ndiff --git a/x.go b/x.go\n--- a/x.go\n+++ b/x.go\n@@ -1,1 +1,1 @@\n-a\n+b\n"
	for header, want := range map[string]string{
		"Wrong: w\nWrong-zh: 错\nCase: late-writer\n": "Sees",
		"what is wrong\n":                  "malformed",
		"Wrong: w\nWrong-zh: 错\nSees: s\n": "Case",
	} {
		if _, err := parse("patches/x.patch", []byte(header+diff)); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("header %q: error %v, want one that names %s", header, err, want)
		}
	}
}

// A wrong version is caught by what it does wrong, and not by being slow.
func TestACatchIsWhatTheVersionWasBuiltToViolate(t *testing.T) {
	r := result{version: version{Name: "forgetful", Sees: []string{"accepted, never decided"}}}
	late := report.Row{Case: "broker-killed", Violations: []checker.Violation{
		{Invariant: checker.Lost, What: "messages are not acknowledged"},
		{Invariant: checker.Recovery, What: "it never recovered"},
	}}
	if r.caught(late); r.CaughtIn != "" {
		t.Errorf("caught by %q in a case that only sees it late", r.CaughtBy)
	}
	if note := missed(late); !strings.Contains(note, "broker-killed") ||
		!strings.Contains(note, "messages are not acknowledged") {
		t.Errorf("note %q, want what was seen instead", note)
	}

	lost := late
	lost.Violations = append(lost.Violations,
		checker.Violation{Invariant: checker.Lost, What: "accepted, never decided", OrderID: "o"})
	if r.caught(lost); r.CaughtIn != "broker-killed" || r.CaughtBy != "L: accepted, never decided" {
		t.Errorf("caught in %q by %q, want it seen", r.CaughtIn, r.CaughtBy)
	}
}
