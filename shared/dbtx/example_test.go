package dbtx_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
)

// A customer is registered once, although a rival registers the same one between our look and our
// INSERT. The unique key refuses the second row. Again says that another run of the whole function
// can cure that: it finds the rival's row. A deadlock is run again without being asked for.
func ExamplePool_Run() {
	pool, drop := testdb.Example(migrations.Order)
	defer drop()
	ctx := context.Background()

	register := func(tx dbtx.Tx, name string) error {
		return tx.DB().Exec("INSERT INTO customers VALUES ('c1', ?, 0, NOW(6))", name).Error
	}

	var name string // each run sets it anew: the variables of a run are not rolled back
	runs := 0
	err := pool.Run(ctx, func(tx dbtx.Tx) error {
		runs++
		found := tx.DB().Raw("SELECT name FROM customers WHERE id = 'c1'").Scan(&name)
		if found.Error != nil || found.RowsAffected == 1 {
			return found.Error
		}

		if err := pool.Run(ctx, func(tx dbtx.Tx) error { return register(tx, "rival") }); err != nil {
			return err
		}
		name = "us"
		err := register(tx, name)
		if dbtx.IsDuplicateKey(err) {
			return dbtx.Again("duplicate_key", err)
		}
		return err
	})

	switch {
	case errors.Is(err, dbtx.ErrCommitUnknown): // first, because it is transient too
		fmt.Println("done or not: only a look for the row shows")
	case dbtx.IsTransient(err):
		fmt.Println("not done: the same call can succeed later")
	case err != nil:
		fmt.Println("not done, and calling again does not help:", err)
	default:
		fmt.Printf("done in run %d: registered by %s\n", runs, name)
	}

	// Output:
	// done in run 2: registered by rival
}

// What to do about an error depends on its class, and never on its text.
func ExampleClassify() {
	pool, drop := testdb.Example(migrations.Order)
	defer drop()
	nowhere := dbtx.Config{Addr: "127.0.0.1:1", Name: "orders", User: "order"}
	away, err := dbtx.Open(nowhere, prometheus.NewRegistry())
	if err != nil { // a wrong setting: Open does not connect
		fmt.Println(err)
		return
	}
	defer away.Close()

	ctx := context.Background()
	run := func(pool *dbtx.Pool, statement string) error {
		return pool.Run(ctx, func(tx dbtx.Tx) error { return tx.DB().Exec(statement).Error })
	}

	for _, err := range []error{
		run(away, "DO 0"),
		run(pool, "INSERT INTO customers VALUES ('c1', NULL, 0, NOW(6))"), // a customer has a name
		run(pool, "DELETE FROM customer"),                                 // no table has this name
		errors.New("the wallet is empty"),
	} {
		switch class := dbtx.Classify(err); class {
		case dbtx.Conflict, dbtx.Transient:
			fmt.Println(class, "- later the same request succeeds")
		case dbtx.Refused:
			fmt.Println(class, "- this request fails for ever, others succeed")
		case dbtx.Systemic:
			fmt.Println(class, "- every request of its kind fails until somebody mends it")
		case dbtx.Unclassified:
			fmt.Println(class, "- nothing is known of it")
		case dbtx.Other:
			fmt.Println(class, "- the program's own:", err)
		}
	}

	// Output:
	// transient - later the same request succeeds
	// refused - this request fails for ever, others succeed
	// systemic - every request of its kind fails until somebody mends it
	// other - the program's own: the wallet is empty
}
