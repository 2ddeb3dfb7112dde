package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"settlement/shared/dbtx"
)

// updateBalances adds to each account its delta (minor units, none zero) in one statement. The
// condition in the statement is the guard of last resort, whatever the caller computed: a row that
// it stops is missing from the count.
func updateBalances(tx dbtx.Tx, deltas map[string]int64) error {
	if len(deltas) == 0 {
		return nil
	}

	ids := slices.Sorted(maps.Keys(deltas))
	var cases strings.Builder
	var args []any
	cases.WriteString("balance_minor + CASE id")
	for _, id := range ids {
		cases.WriteString(" WHEN ? THEN ?")
		args = append(args, id, deltas[id])
	}
	cases.WriteString(" END")
	after := cases.String()
	query := "UPDATE accounts SET balance_minor = " + after + " WHERE id IN ? AND " + after + " >= 0"

	res := tx.DB().Exec(query, slices.Concat(args, []any{ids}, args)...)
	if res.Error != nil {
		return fmt.Errorf("update %d balances: %w", len(ids), res.Error)
	}
	if res.RowsAffected != int64(len(ids)) {
		return fmt.Errorf("updated %d of %d balances: an account of %v is gone or would be overdrawn",
			res.RowsAffected, len(ids), ids)
	}
	return nil
}
