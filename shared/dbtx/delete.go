package dbtx

import (
	"fmt"
	"strings"
)

// DeleteByID deletes exactly the rows with these ids. Joined to the list of ids they are looked up one by one: with
// WHERE id IN (…) naming nearly the whole table, the optimizer scans it instead, and waits for every row that another
// transaction has inserted and not committed.
func DeleteByID(tx Tx, table string, ids []uint64) error {
	if len(ids) == 0 {
		return nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	query := "DELETE t FROM (SELECT ? AS id" + strings.Repeat(" UNION ALL SELECT ?", len(ids)-1) + ") AS gone" +
		" STRAIGHT_JOIN " + table + " AS t ON t.id = gone.id"
	if err := tx.DB().Exec(query, args...).Error; err != nil {
		return fmt.Errorf("delete %d rows of %s: %w", len(ids), table, err)
	}
	return nil
}
