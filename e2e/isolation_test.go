package e2e_test

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// Each service's user reaches its own database only.
func TestAServiceCannotReachTheOthersDatabase(t *testing.T) {
	for name, c := range map[string]struct{ dsn, foreign string }{
		"order-service":   {running.OrderDSN, "payments.accounts"},
		"payment-service": {running.PaymentDSN, "orders.orders"},
	} {
		db, err := sql.Open("mysql", c.dsn)
		if err != nil {
			t.Fatal(err)
		}

		_, err = db.ExecContext(t.Context(), "SELECT 1 FROM "+c.foreign)
		const tableAccessDenied = 1142
		var refused *mysql.MySQLError
		if !errors.As(err, &refused) || refused.Number != tableAccessDenied {
			t.Errorf("%s reads %s: %v, want it refused", name, c.foreign, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
