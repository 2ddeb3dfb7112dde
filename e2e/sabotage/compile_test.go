package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"settlement/e2e/overlay"
)

// An edit can fit the source and yet not compile. Without this test only a run of all versions
// would tell, after an hour. Each changed package is checked against the others as they are.
func TestEveryVersionCompiles(t *testing.T) {
	root := rootOf(t)
	c := newCompiler(t, root)

	for _, v := range all(t) {
		changed, err := overlay.Apply(root, v.Edits)
		if err != nil {
			continue // TestEveryPatchFitsTheSource tells of it
		}

		dirs := map[string]bool{}
		for path := range changed {
			dirs[filepath.Dir(path)] = true
		}
		for _, dir := range slices.Sorted(maps.Keys(dirs)) {
			if err := c.check(dir, changed); err != nil {
				t.Errorf("version %s: %v", v.Name, err)
			}
		}
	}
}

func TestAPatchThatDoesNotCompileIsSeen(t *testing.T) {
	const file = "payment-service/internal/store/settle_batch.go"
	root := rootOf(t)
	changed, err := overlay.Apply(root, []overlay.Edit{{
		File: file, Find: "\tfresh := b.leaveOut(batch)\n", Replace: "\tfresh := batch[:missing]\n",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := newCompiler(t, root).check(filepath.Join(root, filepath.Dir(file)), changed); err == nil {
		t.Error("no error, want one of a name that is not there")
	}
}

type compiled struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// compiler checks the types of packages of the two services.
type compiler struct {
	byDir    map[string]compiled
	files    *token.FileSet
	importer types.Importer
}

func newCompiler(t *testing.T, root string) *compiler {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps",
		"-json=ImportPath,Dir,Export,GoFiles", "./order-service", "./payment-service")
	cmd.Dir = root
	listed, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}

	c := &compiler{byDir: map[string]compiled{}, files: token.NewFileSet()}
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(listed)); ; {
		var p compiled
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		c.byDir[p.Dir], exports[p.ImportPath] = p, p.Export
	}

	c.importer = importer.ForCompiler(c.files, runtime.Compiler, func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("neither service imports %s", path)
		}
		return os.Open(exports[path])
	})
	return c
}

// check checks the package in a directory with its changed files. A directory without a Go package,
// such as that of migrations, has nothing to check.
func (c *compiler) check(dir string, changed map[string][]byte) error {
	p, ok := c.byDir[dir]
	if !ok {
		return nil
	}

	var parsed []*ast.File
	for _, name := range p.GoFiles {
		path := filepath.Join(dir, name)
		source, ok := changed[path]
		if !ok {
			var err error
			if source, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		file, err := parser.ParseFile(c.files, path, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		parsed = append(parsed, file)
	}

	_, err := (&types.Config{Importer: c.importer}).Check(p.ImportPath, c.files, parsed, nil)
	return err
}
