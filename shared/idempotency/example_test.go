package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
)

// A client registers customers. When an answer is lost it asks again with the same key and body,
// and gets the first answer, whatever that was. web.Fail has the whole mapping to HTTP.
func ExampleRun() {
	pool, drop := testdb.Example(migrations.Order)
	defer drop()
	ctx := context.Background()

	register := func(key, name string) string {
		request, err := idempotency.NewRequest(key, "POST /v1/customers", map[string]string{"name": name})
		if err != nil { // ErrKeyMissing or ErrKeyInvalid
			return "400 " + err.Error()
		}
		id, err := idempotency.Run(ctx, pool, request, time.Now().UTC(), func(tx dbtx.Tx) (string, error) {
			const insert = "INSERT INTO customers VALUES (?, ?, 0, NOW(6))"
			if err := tx.DB().Exec(insert, "id of "+name, name).Error; err != nil {
				return "", err
			}
			if name == "Eve" { // remembered under the key, and what was written is rolled back
				return "", &idempotency.Refusal{Code: "not_welcome", Detail: name}
			}
			return "id of " + name, nil
		})

		var refusal *idempotency.Refusal
		switch {
		case errors.As(err, &refusal):
			return "409 " + refusal.Code
		case errors.Is(err, idempotency.ErrKeyReused): // another body: a fault of the client's
			return "422 key reused"
		case errors.Is(err, idempotency.ErrInFlight): // the first request is not done yet
			return "409 again with the same key"
		case err != nil: // perhaps done, as after dbtx.ErrCommitUnknown: the same key finds out
			return "503 again with the same key"
		}
		return "201 " + id
	}

	fmt.Println(register("key-1", "Alice"))
	fmt.Println(register("key-1", "Alice")) // or the INSERT would meet the first one's row
	fmt.Println(register("key-1", "Bob"))
	fmt.Println(register("key-2", "Eve"))
	fmt.Println(register("key-2", "Eve"))
	fmt.Println(register("key 3", "Carol"))

	var customers int
	err := pool.Read(ctx).Raw("SELECT COUNT(*) FROM customers").Scan(&customers).Error
	fmt.Println("customers:", customers, err)

	// Output:
	// 201 id of Alice
	// 201 id of Alice
	// 422 key reused
	// 409 not_welcome
	// 409 not_welcome
	// 400 Idempotency-Key must be 1 to 255 printable ASCII characters: it has ' '
	// customers: 1 <nil>
}
