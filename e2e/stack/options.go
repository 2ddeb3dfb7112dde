package stack

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-sql-driver/mysql"

	"settlement/e2e/stack/servers"
)

// What a stack can run on.
const (
	OnAuto    = "auto"    // containers where Docker and Compose answer, else native
	OnNative  = "native"  // servers that are processes on loopback
	OnCompose = "compose" // docker-compose.yml
)

// Options choose what a stack runs on. The zero value takes everything from the environment.
type Options struct {
	On string // OnAuto, OnNative or OnCompose; empty: $STACK, and if that is empty OnAuto
	// DB is a kind that servers knows, or a DSN (see e2e/README.md); empty: $DB, and if that is
	// empty "mysql".
	DB string
	// RocketMQ is the release of name server and broker; empty: $ROCKETMQ, and if that is empty
	// 5.4.0.
	RocketMQ string
	Log      io.Writer // gets the progress, one line each; nil: stderr

	// Env returns what each service gets on top of its environment, by the service's name. It is
	// asked when the servers are ready, before the services start: proxies can be put between them.
	// Only on native.
	Env func(Addresses) (map[string]map[string]string, error)
	// Bin is a directory that holds both services, to be run instead of building them. Only on
	// native.
	Bin string
}

func (o Options) complete() (Options, error) {
	if o.On == "" {
		o.On = os.Getenv("STACK")
	}
	if o.DB == "" {
		o.DB = os.Getenv("DB")
	}
	o.RocketMQ = cmp.Or(o.RocketMQ, os.Getenv("ROCKETMQ"))
	if o.Log == nil {
		o.Log = os.Stderr
	}

	switch o.On {
	case "":
		o.On = OnAuto
	case OnAuto, OnNative, OnCompose:
	default:
		return o, fmt.Errorf("STACK=%s: want auto, native or compose", o.On)
	}

	if (o.Env != nil || o.Bin != "") && o.On != OnNative {
		return o, fmt.Errorf("STACK=%s: environments and binaries of one's own need a native stack", o.On)
	}
	return o, nil
}

// database is where the two databases of a stack are.
type database struct {
	Kind   string           // as servers knows it, or "dsn" for a server that runs already
	Server servers.Database // unless Kind is "dsn"
	// go-sql-driver DSN without a database, of a user who may create databases and users
	Admin string
}

// newDatabase reads the choice as Options.DB has it and picks what a server of ours needs.
func newDatabase(choice string) (database, error) {
	choice = cmp.Or(choice, "mysql")
	if servers.HasKind(choice) {
		server, err := servers.NewDatabase(choice)
		return database{Kind: choice, Server: server, Admin: server.RootDSN()}, err
	}

	// The value is not shown in errors: it may be a DSN, with a password.
	c, err := mysql.ParseDSN(choice)
	if err != nil {
		return database{}, fmt.Errorf("DB: want mysql, mysql9, mariadb, mariadb11 or a DSN like root:password@tcp(127.0.0.1:3306)/ (%w)",
			err)
	}
	if c.Net != "tcp" {
		return database{}, errors.New("DB: the DSN must use tcp(host:port), since the services connect by TCP")
	}
	c.DBName = ""
	return database{Kind: "dsn", Admin: c.FormatDSN()}, nil
}

// addr is host:port, as the services take it.
func (d database) addr() (string, error) {
	c, err := mysql.ParseDSN(d.Admin)
	if err != nil {
		return "", errors.New("the administrator's DSN cannot be parsed")
	}
	return c.Addr, nil
}
