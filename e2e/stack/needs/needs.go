// Package needs is what the system has to have: Java, Maven, a C compiler, libraries. As root on
// Debian it installs what is missing.
package needs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"settlement/e2e/stack/workspace"
)

// javaMin is the oldest Java that RocketMQ 5.4.0 is run on here: its start flags are those of 17.
const javaMin = 17

// Need is something that the system's package manager has to provide.
type Need struct {
	what     string                      // for people, with the wanted version
	packages []string                    // Debian's names
	missing  func(context.Context) error // nil when it is there, else what was looked for
}

// What the servers and their downloads ask for.
var (
	Java = Need{"JDK 17 or newer", []string{"default-jdk-headless"}, func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, "java", "-version").CombinedOutput()
		if err != nil {
			return fmt.Errorf("java -version: %w", err)
		}
		return errors.Join(javaTooOld(string(out)), inPath("javac"))
	}}
	Maven = Need{"Maven", []string{"maven"}, func(context.Context) error { return inPath("mvn") }}
	C     = Need{
		"C compiler (go test -race)",
		[]string{"gcc", "libc6-dev"},
		func(context.Context) error { return inPath("gcc") },
	}
	// Not the packages mariadb-server and mariadb-client: the two below have the programs, and
	// nothing in them starts a server when it is installed.
	MariaDB = Need{
		"MariaDB server",
		[]string{"mariadb-server-core", "mariadb-client-core"},
		func(context.Context) error {
			return errors.Join(inPath("mariadbd"), inPath("mariadb-install-db"), inPath("my_print_defaults"))
		},
	}
	// APT fetches MySQL 9 and MariaDB 11, which are packages of another Debian than the system's.
	APT = Need{
		"apt-get and dpkg-deb (MySQL 9 and MariaDB 11 are Debian's packages)",
		[]string{"apt", "dpkg"},
		func(context.Context) error {
			return errors.Join(inPath("apt-get"), inPath("dpkg-deb"))
		},
	}
)

// Libraries is met when the system has every library that the program at path is linked with.
func Libraries(path string, libPath string) Need {
	return Need{"libaio1 and libnuma1", []string{"libaio1", "libnuma1"}, func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, "ldd", path)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libPath)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("ldd %s: %w: %s", path, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "not found") {
				return errors.New(strings.TrimSpace(line))
			}
		}
		return nil
	}}
}

var javaVersion = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

func javaTooOld(output string) error {
	m := javaVersion.FindStringSubmatch(output)
	if m == nil {
		return fmt.Errorf("java -version answers %q", strings.TrimSpace(output))
	}
	if v, err := strconv.Atoi(m[1]); err != nil || v < javaMin {
		return fmt.Errorf("java is version %s, %d or newer is needed", m[1], javaMin)
	}
	return nil
}

// lookIn are places that a user's PATH often lacks; Debian puts servers into sbin.
var lookIn = []string{"/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin"}

// Find returns the path of a program, which may be where PATH does not look.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range lookIn {
		if path, err2 := exec.LookPath(filepath.Join(dir, name)); err2 == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, err)
}

func inPath(name string) error {
	_, err := Find(name)
	return err
}

// Provide makes sure that every need is met: as root on a system with apt-get it installs what is
// missing, otherwise it returns an error that names it and the command.
func Provide(ctx context.Context, w *workspace.Workspace, needs ...Need) error {
	packages, why := lacking(ctx, needs)
	if len(packages) == 0 {
		return nil
	}
	if os.Geteuid() != 0 || inPath("apt-get") != nil {
		return why
	}

	unlock, err := w.Lock(ctx, "apt")
	if err != nil {
		return err
	}
	defer unlock()
	if packages, why = lacking(ctx, needs); len(packages) == 0 { // another run has installed it
		return nil
	}

	w.Say("apt-get: installing %s", strings.Join(packages, " "))
	install := append([]string{"install", "-y", "-q", "--no-install-recommends"}, packages...)
	for _, args := range [][]string{{"update", "-q"}, install} {
		if err := AptGet(ctx, args...); err != nil {
			return fmt.Errorf("%w\n%w", why, err)
		}
	}

	if packages, why = lacking(ctx, needs); len(packages) > 0 {
		return fmt.Errorf("installed, and yet %w", why)
	}
	return nil
}

// AptGet runs apt-get, which asks nothing.
func AptGet(ctx context.Context, args ...string) error {
	args = append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// lacking returns the packages that are missing and an error for people that says so.
func lacking(ctx context.Context, needs []Need) ([]string, error) {
	var packages, lines []string
	for _, n := range needs {
		if err := n.missing(ctx); err != nil {
			packages = append(packages, n.packages...)
			lines = append(lines, fmt.Sprintf("%s is missing (%v)", n.what, err))
		}
	}
	if len(packages) == 0 {
		return nil, nil
	}
	slices.Sort(packages)
	packages = slices.Compact(packages)
	return packages, fmt.Errorf("%s\non Debian or Ubuntu, this installs it:\n  sudo apt-get update && sudo apt-get install -y --no-install-recommends %s",
		strings.Join(lines, "\n"), strings.Join(packages, " "))
}
