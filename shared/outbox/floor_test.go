package outbox_test

import (
	"slices"
	"testing"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
)

// A row with a small id is committed long after larger ids were sent, when its place is no longer
// looked at. Then its successor comes.
func TestALateRowIsNotOvertaken(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		_, step := stepper(t, db.Pool, tp.send)

		inserted, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- db.Open(t).Run(t.Context(), func(tx dbtx.Tx) error {
				defer func() { <-release }()
				defer close(inserted)
				return addTx(tx, "k", "first")
			})
		}()
		<-inserted

		for range 5 {
			add(t, db.Pool, sibling("k"), "m")
			step()
		}
		if got := tp.of(sibling("k")); len(got) != 5 {
			t.Errorf("%d of 5 rows were sent", len(got))
		}

		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		add(t, db.Pool, "k", "second")
		step()
		if got := tp.of("k"); !slices.Equal(got, []string{"first", "second"}) {
			t.Errorf("sent %v", got)
		}
	})
}

// A table that was emptied or restored counts its ids from the beginning again.
func TestIDsThatBeginAnewAreSent(t *testing.T) {
	testdb.Each(t, migrations.Order, func(t *testing.T, db testdb.Database) {
		tp := newTape()
		r, step := stepper(t, db.Pool, tp.send)
		r.SetBelowEvery(0)
		for range 5 {
			add(t, db.Pool, "k", "before")
			step()
		}
		step()

		if err := db.Pool.Read(t.Context()).Exec("TRUNCATE TABLE outbox").Error; err != nil {
			t.Fatal(err)
		}
		add(t, db.Pool, "k", "after")
		step()
		step()
		if got := tp.of("k"); !slices.Contains(got, "after") {
			t.Errorf("sent %v", got)
		}
	})
}
