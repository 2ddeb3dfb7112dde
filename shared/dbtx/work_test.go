package dbtx_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/stack/testdb"
	"settlement/e2e/wait"
	"settlement/shared/dbtx"
)

// Requests that all wait take up the turns of requests. They take no connection of other work, and
// not even those with which requests read.
func TestRequestsThatWaitDoNotHoldUpTheOthers(t *testing.T) {
	testdb.EachEmpty(t, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		pools, err := dbtx.OpenPools(db.Config, prometheus.NewRegistry(), dbtx.Requests, dbtx.Consumers,
			dbtx.Relay, dbtx.Background, dbtx.Probes)
		if err != nil {
			t.Fatal(err)
		}
		defer pools.Close()

		const clients = 48
		waiting, release, answered := make(chan struct{}, clients), make(chan struct{}), make(chan error,
			clients)
		for range clients {
			go func() {
				answered <- pools[dbtx.Requests].Run(t.Context(), func(dbtx.Tx) error {
					waiting <- struct{}{}
					<-release
					return nil
				})
			}()
		}
		wait.Until(t, 10*time.Second, func() error {
			if n := len(waiting); n < dbtx.Requests.Turns() {
				return fmt.Errorf("%d requests have their turn", n)
			}
			return nil
		})
		for range clients - dbtx.Requests.Turns() {
			if err := <-answered; !dbtx.IsTransient(err) {
				t.Errorf("a request that had no turn is answered %v, want a transient error", err)
			}
		}

		var one int
		if err := pools[dbtx.Requests].Read(t.Context()).Raw("SELECT 1").Scan(&one).Error; err != nil {
			t.Errorf("a read while requests wait: %v", err)
		}
		for _, work := range []dbtx.Work{dbtx.Consumers, dbtx.Relay, dbtx.Background} {
			if _, _, err := raise(t.Context(), pools[work], 2); err != nil {
				t.Errorf("%+v while requests wait: %v", work, err)
			}
		}
		if err := pools[dbtx.Probes].Writable(t.Context(), "fight"); err != nil {
			t.Error(err)
		}
		close(release)
		for range dbtx.Requests.Turns() {
			if err := <-answered; err != nil {
				t.Error(err)
			}
		}
	})
}

// A consumer runs again after a lock wait, because it mostly is over a second later.
func TestOnlyRequestsAreAnsweredALockWait(t *testing.T) {
	testdb.EachEmpty(t, func(t *testing.T, db testdb.Database) {
		pools, err := dbtx.OpenPools(db.Config, prometheus.NewRegistry(),
			dbtx.Requests, dbtx.Consumers, dbtx.Relay, dbtx.Background)
		if err != nil {
			t.Fatal(err)
		}
		defer pools.Close()

		for work, pool := range pools {
			runs := 0
			err := pool.Run(t.Context(), func(dbtx.Tx) error {
				if runs++; runs == 1 {
					return &mysql.MySQLError{Number: 1205}
				}
				return nil
			})
			if alone := work == dbtx.Requests; (err != nil) != alone || (runs == 1) != alone {
				t.Errorf("%+v: %d runs, error %v", work, runs, err)
			}
		}
	})
}

// readOnly are the ways in which a server that answers everything takes no write: the statement
// that brings each about, and the statement that ends it.
var readOnly = map[string][2]string{
	"MySQL, its operator's":   {"SET GLOBAL super_read_only = 1", "SET GLOBAL read_only = 0"},
	"MariaDB, its operator's": {"SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"},
	"locked for a backup":     {"FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"},
}

func TestAServerThatTakesNoWriteIsNotReady(t *testing.T) {
	testdb.EachOwn(t, nil, func(t *testing.T, db testdb.Database) {
		setup(t, db.Pool)
		admin, err := db.Admin.Conn(t.Context()) // the lock belongs to its session
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = admin.Close() }()
		exec := func(statement string) error {
			_, err := admin.ExecContext(t.Context(), statement)
			return err
		}

		// A service's user does not have the rights that let an operator write nevertheless.
		for _, statement := range []string{
			"CREATE USER plain@'127.0.0.1' IDENTIFIED BY 'plain'", "GRANT ALL ON " +
				db.Config.Name + ".* TO plain@'127.0.0.1'",
		} {
			if err := exec(statement); err != nil {
				t.Fatal(err)
			}
		}

		config := db.Config
		config.User, config.Password = "plain", "plain"
		pools, err := dbtx.OpenPools(config, prometheus.NewRegistry(), dbtx.Probes)
		if err != nil {
			t.Fatal(err)
		}
		defer pools.Close()

		probe := func() error { return pools[dbtx.Probes].Writable(t.Context(), "fight") }
		if err := probe(); err != nil {
			t.Fatal(err)
		}
		if err := pools[dbtx.Probes].Writable(t.Context(), "nowhere"); err == nil {
			t.Error("a table that is not there can be written")
		}

		tried := 0
		for name, way := range readOnly {
			if err := exec(way[0]); err != nil {
				continue // a statement of the other server
			}
			tried++
			began := time.Now()
			err := probe()
			if err == nil || !dbtx.IsTransient(err) {
				t.Errorf("%s: error %v, want one that is transient", name, err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: found after %s", name, took)
			}
			if err := exec(way[1]); err != nil {
				t.Fatal(err)
			}
			if err := probe(); err != nil {
				t.Errorf("%s is over, and %v", name, err)
			}
		}
		if tried < 2 {
			t.Errorf("%d ways to be read-only were tried", tried)
		}
	})
}
