package servers

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"settlement/e2e/stack/download"
	"settlement/e2e/stack/needs"
	"settlement/e2e/stack/port"
	"settlement/e2e/stack/process"
	"settlement/e2e/stack/workspace"
)

const (
	databaseGrace = 30 * time.Second // to write dirty pages at SIGTERM

	// Every test package and every instance of a service has its own pool; 151 by default is soon
	// used up.
	databaseConnections = 600
)

// Database is one MySQL or MariaDB on loopback.
type Database struct {
	Kind         string // one of kinds
	Port         int
	RootPassword string   // of letters and digits, which SQL and a DSN take without quotes
	Args         []string // on top of our own; the last one counts
}

func NewDatabase(kind string) (Database, error) {
	free, err := port.Free()
	return Database{Kind: kind, Port: free, RootPassword: rand.Text()}, err
}

// RootDSN is a DSN without a database, for administration.
func (d Database) RootDSN() string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = "root", d.RootPassword, "tcp", port.Loopback(d.Port)
	return c.FormatDSN()
}

// prepare readies everything below dir that the server needs, and returns how it is started. A data
// directory that is there already is kept.
func (d Database) prepare(ctx context.Context, w *workspace.Workspace, dir string) (process.Program, error) {
	engine, err := engineOf(ctx, w, d.Kind)
	if err != nil {
		return process.Program{}, err
	}

	data := filepath.Join(dir, d.Kind)
	if _, err := os.Stat(data); errors.Is(err, os.ErrNotExist) {
		if err := engine.newData(ctx, w, data); err != nil {
			return process.Program{}, err
		}
	}

	initSQL := filepath.Join(dir, d.Kind+"-init.sql")
	if err := os.WriteFile(initSQL, []byte(d.rootAccounts()), 0o600); err != nil {
		return process.Program{}, fmt.Errorf("prepare %s: %w", d.Kind, err)
	}

	args := append([]string{"--no-defaults"}, engine.args...)
	args = append(args, asRoot()...)
	args = append(
		args,
		"--datadir="+data,
		"--init-file="+initSQL,
		"--bind-address=127.0.0.1",
		"--port="+strconv.Itoa(d.Port),
		"--socket=server.sock", // relative to the data directory: a path of more than 107 bytes is refused
		"--skip-name-resolve",
		"--skip-log-bin", // nothing replicates from it, and it is a second flush at every commit
		"--character-set-server=utf8mb4",
		"--max-connections="+strconv.Itoa(databaseConnections),
	)
	args = append(args, d.Args...)

	return process.Program{
		Name: d.Kind, Path: engine.path, Args: args, Env: engine.env, Dir: dir,
		Log: filepath.Join(dir, "logs", d.Kind+".log"), Listens: []string{port.Loopback(d.Port)},
	}, nil
}

// rootAccounts returns the SQL that runs at every start, before the server takes connections: at no
// moment is there a root without a password on TCP.
func (d Database) rootAccounts() string {
	return fmt.Sprintf(`CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '%[1]s';
ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '%[1]s';
GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
ALTER USER 'root'@'localhost' IDENTIFIED BY '%[1]s';
`, d.RootPassword)
}

func (d Database) ready(ctx context.Context) error {
	db, err := sql.Open("mysql", d.RootDSN())
	if err != nil {
		return err
	}
	defer db.Close()
	return db.PingContext(ctx)
}

// engine is an installed database server.
type engine struct {
	path string
	args []string
	env  []string
	// Makes a data directory with a root.
	newData func(ctx context.Context, w *workspace.Workspace, dir string) error
}

func engineOf(ctx context.Context, w *workspace.Workspace, kind string) (engine, error) {
	if err := checkKind(kind); err != nil {
		return engine{}, err
	}
	return kinds[kind](ctx, w)
}

// HasKind tells whether servers of this kind can be started.
func HasKind(kind string) bool { return kinds[kind] != nil }

func checkKind(kind string) error {
	if !HasKind(kind) {
		return fmt.Errorf("database %q: want one of %s", kind,
			strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	return nil
}

// kinds are the database servers that can be started.
var kinds = map[string]func(context.Context, *workspace.Workspace) (engine, error){
	"mysql":     mysql8,
	"mysql9":    mysql9,
	"mariadb":   mariadb,
	"mariadb11": mariadb11,
}

// family is MYSQL or MARIADB: what tests call a server of that kind.
func family(kind string) string { return strings.ToUpper(strings.TrimRight(kind, "0123456789")) }

func mysql8(ctx context.Context, w *workspace.Workspace) (engine, error) {
	home, err := download.MySQLHome(ctx, w)
	if err != nil {
		return engine{}, err
	}

	e := engine{
		path: filepath.Join(home, "bin", "mysqld"),
		env: []string{
			"LD_LIBRARY_PATH=" + filepath.Join(home, "lib"), "DYLD_LIBRARY_PATH=" +
				filepath.Join(home, "lib"),
		},
	}
	if runtime.GOOS == "linux" {
		if err := needs.Provide(ctx, w, needs.Libraries(e.path, filepath.Join(home, "lib"))); err != nil {
			return engine{}, err
		}
	}

	common := []string{
		"--basedir=" + home,
		"--lc-messages-dir=" + filepath.Join(home, "share"),
		// The other one needs TLS or an RSA key exchange.
		"--default-authentication-plugin=mysql_native_password",
	}
	return e.initialisedByItself(download.MySQL8.Name, common), nil
}

func mysql9(ctx context.Context, w *workspace.Workspace) (engine, error) {
	root, err := download.MySQL9.Unpacked(ctx, w)
	if err != nil {
		return engine{}, err
	}
	e := engine{path: filepath.Join(root, "usr", "sbin", "mysqld")}
	return e.initialisedByItself(download.MySQL9.Name, []string{
		"--basedir=" + filepath.Join(root, "usr"),
		"--lc-messages-dir=" + filepath.Join(root, "usr", "share", "mysql"),
		"--secure-file-priv=NULL", // Debian's default is a directory that its package makes
	}), nil
}

// initialisedByItself returns e as a MySQL server, which makes its data directory itself. common
// are the arguments that it always gets.
func (e engine) initialisedByItself(name string, common []string) engine {
	e.args = append([]string{"--mysqlx=OFF"}, common...)
	e.newData = func(ctx context.Context, w *workspace.Workspace, dir string) error {
		return copyOfNew(ctx, w, name, dir, func(data string) *exec.Cmd {
			args := append([]string{"--no-defaults", "--initialize-insecure", "--datadir=" + data}, common...)
			cmd := exec.CommandContext(ctx, e.path, append(args, asRoot()...)...)
			cmd.Env = e.env
			return cmd
		})
	}
	return e
}

func mariadb(ctx context.Context, w *workspace.Workspace) (engine, error) {
	if err := needs.Provide(ctx, w, needs.MariaDB); err != nil {
		return engine{}, err
	}
	path, err := needs.Find("mariadbd")
	if err != nil {
		return engine{}, err
	}
	install, err := needs.Find("mariadb-install-db")
	if err != nil {
		return engine{}, err
	}

	version, err := exec.CommandContext(ctx, path, "--no-defaults", "--version").Output()
	if err != nil {
		return engine{}, fmt.Errorf("%s --version: %w", path, err)
	}
	// The data directory is named for the version: an upgraded server does not take another
	// version's directory without a step of its own.
	return engine{path: path}.initialisedBy(install, "mariadb-"+workspace.ShortHash(version), nil), nil
}

func mariadb11(ctx context.Context, w *workspace.Workspace) (engine, error) {
	root, err := download.MariaDB11.Unpacked(ctx, w)
	if err != nil {
		return engine{}, err
	}
	usr := filepath.Join(root, "usr")
	return engine{path: filepath.Join(usr, "sbin", "mariadbd")}.initialisedBy(
		filepath.Join(usr, "bin", "mariadb-install-db"), download.MariaDB11.Name,
		[]string{"--basedir=" + usr}), nil
}

// initialisedBy returns e as a MariaDB server, whose data directory the script install makes.
// common are the arguments that both always get.
func (e engine) initialisedBy(install, name string, common []string) engine {
	e.args = common
	e.newData = func(ctx context.Context, w *workspace.Workspace, dir string) error {
		return copyOfNew(ctx, w, name, dir, func(data string) *exec.Cmd {
			args := []string{
				"--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal", "--datadir=" +
					data,
			}
			return exec.CommandContext(ctx, install, slices.Concat(args, common, asRoot())...)
		})
	}
	return e
}

// copyOfNew makes dir a copy of a fresh data directory, which initialise fills once and which stays
// in the cache: to copy takes a tenth of a second, to initialise takes five.
func copyOfNew(
	ctx context.Context, w *workspace.Workspace, name, dir string, initialise func(data string) *exec.Cmd,
) error {
	fresh, err := w.Cached(ctx, name+"-data", func(data string) error {
		w.Say("%s: initialising a data directory", name)
		if out, err := initialise(data).CombinedOutput(); err != nil {
			return fmt.Errorf("initialise: %w\n%s", err, out)
		}
		// The server's identity; each copy makes its own.
		if err := os.Remove(filepath.Join(data, "auto.cnf")); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}

	unfinished := dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.CopyFS(unfinished, os.DirFS(fresh)); err != nil {
		return fmt.Errorf("copy the data directory of %s: %w", name, err)
	}
	return os.Rename(unfinished, dir)
}

// asRoot returns the consent to run as root that both servers ask for.
func asRoot() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}
