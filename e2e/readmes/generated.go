// Package readmes holds the READMEs to what the code says: the tables that are written from it,
// and, in its tests, links, commands and both languages.
package readmes

import (
	"os"
	"strings"
	"testing"
)

// Generated compares what a README has between two marks with what it should have. The mark before
// it names the command that writes it anew, with update set. A README without the marks is an
// error.
func Generated(t testing.TB, file, command, want string, update bool) {
	t.Helper()
	begins, ends := "<!-- Written by: "+command+" -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(text), begins)
	_, after, ended := strings.Cut(rest, ends)
	if !begun || !ended {
		t.Fatalf("%s has no place for it, want %q and %q", file, begins, ends)
	}

	current := before + begins + "\n" + want + "\n" + ends + after
	if current == string(text) {
		return
	}
	if !update {
		t.Errorf("%s is not what the code says, write it anew: %s", file, command)
	} else if err := os.WriteFile(file, []byte(current), 0o600); err != nil { //nolint:gosec // the caller's own README
		t.Fatal(err)
	}
}
