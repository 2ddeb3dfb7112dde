package dbtx

import (
	"fmt"
	"strings"
)

// DeleteByID deletes exactly the rows with these ids.
func DeleteByID(tx Tx, table string, ids []uint64) error { return DeleteByKey(tx, table, "id", ids) }

// DeleteByKey deletes exactly the rows with these keys, in this order. column has a unique index,
// and is a number or ascii_bin. The table is joined to the list of keys, so that they are looked up
// one by one. With WHERE id IN (…) naming nearly the whole table, the optimizer scans the table
// instead, and waits for every row that another transaction has inserted and not committed.
func DeleteByKey[K uint64 | string](tx Tx, table, column string, keys []K) error {
	if len(keys) == 0 {
		return nil
	}

	value := "?"
	args := make([]any, len(keys))
	for i, key := range keys {
		args[i] = key
		if _, text := any(key).(string); text {
			// As utf8mb4 the key could not be looked up in the index.
			value = "CONVERT(? USING ascii) COLLATE ascii_bin"
		}
	}

	query := "DELETE t FROM (SELECT " + value + " AS k" +
		strings.Repeat(" UNION ALL SELECT "+value, len(keys)-1) + ") AS gone" +
		" STRAIGHT_JOIN " + table + " AS t ON t." + column + " = gone.k"
	if err := tx.DB().Exec(query, args...).Error; err != nil {
		return fmt.Errorf("delete %d rows of %s: %w", len(keys), table, err)
	}
	return nil
}
