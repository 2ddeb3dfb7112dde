// Command sabotage proves that the fault cases can see: it builds versions of the product that are
// wrong on purpose, runs the cases meant to catch each, and fails when one survives.
package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/mail"
	"path"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

// patches has a file for each wrong version, in a folder for what it gets wrong. A header says what
// is wrong in both languages (Wrong, Wrong-zh), which cases have to catch it (Case), and what one
// of them has to say then (Sees). Behind it stands the difference from the product: git apply makes
// it.
//
//go:embed patches
var patches embed.FS

// version is a product that is wrong in one way.
type version struct {
	Name string
	File string // of its patch
	// What is wrong, in one sentence; and what had to be taken away with it, because it would have
	// been caught.
	Why   cases.Text
	Edits []overlay.Edit
	Cases []string // one of them has to catch it
	Sees  []string // what the case has to say then: a violation begins with one of these
}

// versions reads all patches.
func versions() (all []version, err error) {
	err = fs.WalkDir(patches, "patches", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := patches.ReadFile(file)
		if err != nil {
			return err
		}

		v, err := parse(file, text)
		all = append(all, v)
		return err
	})
	return all, err
}

func parse(file string, text []byte) (version, error) {
	v := version{Name: strings.TrimSuffix(path.Base(file), ".patch"), File: file}
	wrong := func(err error) (version, error) { return version{}, fmt.Errorf("%s: %w", file, err) }

	message, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return wrong(err)
	}
	v.Why = cases.Text{EN: message.Header.Get("Wrong"), ZH: message.Header.Get("Wrong-zh")}
	v.Cases, v.Sees = message.Header["Case"], message.Header["Sees"]
	if v.Why.EN == "" || v.Why.ZH == "" || len(v.Cases) == 0 || len(v.Sees) == 0 {
		return wrong(errors.New("the header has to have Wrong, Wrong-zh, Case and Sees"))
	}

	files, _, err := gitdiff.Parse(message.Body)
	if err != nil {
		return wrong(err)
	}
	for _, f := range files {
		for _, hunk := range f.TextFragments {
			v.Edits = append(v.Edits, edit(f.OldName, hunk))
		}
	}
	return v, nil
}

// edit makes an edit of a hunk. Its place is where its lines are, whatever their numbers: a change
// of the product elsewhere in the file leaves the patch as it is.
func edit(file string, hunk *gitdiff.TextFragment) overlay.Edit {
	var before, after strings.Builder
	for _, line := range hunk.Lines {
		if line.Old() {
			before.WriteString(line.Line)
		}
		if line.New() {
			after.WriteString(line.Line)
		}
	}
	return overlay.Edit{File: file, Find: before.String(), Replace: after.String()}
}

// named returns the versions with these names, with commas between, or all of them for none.
func named(only string) ([]version, error) {
	all, err := versions()
	if err != nil || only == "" {
		return all, err
	}

	wanted := strings.Split(only, ",")
	all = slices.DeleteFunc(all, func(v version) bool { return !slices.Contains(wanted, v.Name) })
	if len(all) != len(wanted) {
		return nil, errors.New("no version of one of these names: " + only)
	}
	return all, nil
}
