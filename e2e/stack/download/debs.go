package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"settlement/e2e/stack/needs"
	"settlement/e2e/stack/workspace"
)

// DebSet is a program of another Debian release than the system's, with all that it is linked with,
// down to the C library. Debian's own tools fetch and verify it, and nothing of the system changes.
type DebSet struct {
	Name     string // in the cache, with its series
	size     string // to tell people what they wait for
	suite    string
	packages []string // with their versions: a suite keeps the newest of a series only
	programs []string // below the root; each becomes a script that runs the program on its own C library
}

// The servers that come from other releases of Debian.
var (
	MySQL9 = DebSet{
		"mysql-9.7", "58 MB", "sid", []string{"mysql-server-core=9.7*"}, []string{"usr/sbin/mysqld"},
	}
	MariaDB11 = DebSet{
		"mariadb-11.8", "24 MB", "trixie",
		[]string{"mariadb-server-core=1:11.8*", "mariadb-client-core=1:11.8*"},
		[]string{"usr/sbin/mariadbd", "usr/bin/my_print_defaults", "usr/bin/resolveip"},
	}
)

// onItsOwnLibraries runs the program beside it, which was built for a newer C library than the
// system's.
const onItsOwnLibraries = `#!/bin/sh
root=$(cd "$(dirname "$0")/../.." && pwd)
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" "$0.elf" "$@"
`

// Unpacked returns the root directory of the set's files.
func (set DebSet) Unpacked(ctx context.Context, w *workspace.Workspace) (string, error) {
	return w.Cached(ctx, set.Name, func(root string) error {
		if err := needs.Provide(ctx, w, needs.APT); err != nil {
			return err
		}
		packages := filepath.Join(root, "packages")
		if err := set.fetch(ctx, w, packages); err != nil {
			return err
		}

		debs, err := filepath.Glob(filepath.Join(packages, "cache", "archives", "*.deb"))
		if err != nil {
			return err
		}
		for _, deb := range debs {
			if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, root).
				CombinedOutput(); err != nil {
				return fmt.Errorf("dpkg-deb -x %s: %w: %s", deb, err, out)
			}
		}

		for _, program := range set.programs {
			path := filepath.Join(root, program)
			if err := os.Rename(path, path+".elf"); err != nil {
				return err
			}
			if err := os.WriteFile(path, []byte(onItsOwnLibraries), 0o755); err != nil {
				return err
			}
		}

		w.Say("%s: unpacked %s", set.Name, strings.Join(set.versions(debs), ", "))
		return os.RemoveAll(packages)
	})
}

// versions returns the files that the set's own packages came in: their names have the versions.
func (set DebSet) versions(debs []string) (files []string) {
	for _, p := range set.packages {
		name, _, _ := strings.Cut(p, "=")
		for _, deb := range debs {
			if file := filepath.Base(deb); strings.HasPrefix(file, name+"_") {
				files = append(files, file)
			}
		}
	}
	return files
}

// fetch has apt-get download the set's packages and all that they depend on, as onto a system
// without any.
func (set DebSet) fetch(ctx context.Context, w *workspace.Workspace, dir string) error {
	mirror, err := debianMirror(ctx)
	if err != nil {
		return err
	}
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}

	sources, status := filepath.Join(dir, "sources.list"), filepath.Join(dir, "status")
	const keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
	source := fmt.Sprintf("deb [arch=amd64 signed-by=%s] %s %s main\n", keys, mirror, set.suite)
	if err := errors.Join(os.WriteFile(sources, []byte(source), 0o644),
		os.WriteFile(status, nil, 0o644)); err != nil {
		return err
	}

	w.Say("%s: downloading (%s, and Debian's list of packages) with apt-get", set.Name, set.size)
	done := w.SayWhile(func() string { return set.Name + ": still downloading" })
	defer done()
	apart := []string{
		"-o", "Dir::Etc::SourceList=" + sources, "-o", "Dir::Etc::SourceParts=/dev/null", "-o",
		"Dir::Etc::Preferences=/dev/null",
		"-o", "Dir::Etc::PreferencesParts=/dev/null", "-o", "Dir::State=" + filepath.Join(dir, "state"), "-o",
		"Dir::State::Status=" + status,
		"-o", "Dir::Cache=" + filepath.Join(dir, "cache"), "-o", "APT::Architecture=amd64", "-o",
		"APT::Sandbox::User=", "-o", "Acquire::Languages=none",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
	}

	if err := needs.AptGet(ctx, slices.Concat(apart, []string{"update", "-q"})...); err != nil {
		return err
	}
	install := slices.Concat(apart,
		[]string{"install", "-y", "-q", "--download-only", "--no-install-recommends"}, set.packages)
	if err := needs.AptGet(ctx, install...); err != nil {
		return fmt.Errorf("%w\n%s has no %s any more? Then choose its successor in e2e/stack/download/debs.go",
			err, set.suite, strings.Join(set.packages, ", "))
	}
	return nil
}

// debianMirror is where this system has its packages from.
func debianMirror(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)",
		"Created-By: Packages", "Origin: Debian").Output()
	if err != nil {
		return "", fmt.Errorf("ask apt-get where packages come from: %w", err)
	}
	for line := range bytes.Lines(out) {
		if uri := strings.TrimSpace(string(line)); !strings.Contains(uri, "security") {
			return uri, nil
		}
	}
	return "", errors.New("apt-get knows no Debian mirror: MySQL 9 and MariaDB 11 come from one; on a Debian system, run apt-get update first")
}
