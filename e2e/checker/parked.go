package checker

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// PayloadHash identifies a parked message. An offset would not: a broker that was set up anew
// counts its offsets from 0 again.
func PayloadHash(body []byte) string {
	hash := sha256.Sum256(body)
	return hex.EncodeToString(hash[:])
}

// CheckAsked returns the messages of any topic that are or were with an operator of either service
// although nothing was wrong with them. before are the ids of the messages that were parked
// already, asked the hashes of the payloads that are meant to be parked.
func (c *Checker) CheckAsked(
	ctx context.Context, before []string, asked map[string]bool,
) ([]Violation, error) {
	var f findings
	for _, db := range []*sql.DB{c.orders, c.payments} {
		if err := checkAsked(ctx, db, &f, before, asked); err != nil {
			return nil, fmt.Errorf("check parked messages: %w", err)
		}
	}
	return f.sorted(), nil
}

func checkAsked(ctx context.Context, db *sql.DB, f *findings, before []string, asked map[string]bool) error {
	rows, err := db.QueryContext(ctx,
		"SELECT id, topic, COALESCE(order_id, ''), COALESCE(payment_no, ''), state, reason, payload_sha256"+
			" FROM parked_messages WHERE state IN ('parked', 'replayed', 'discarded')")
	if err != nil {
		return err
	}
	defer rows.Close()

	for rows.Next() {
		var id, topic, order, no, state, reason, hash string
		if err := rows.Scan(&id, &topic, &order, &no, &state, &reason, &hash); err != nil {
			return err
		}
		if !asked[hash] && !slices.Contains(before, id) {
			f.add(Lost, "a message was parked that nothing was wrong with", order, no,
				"parked_messages.id", id, "topic", topic, "state", state, "reason", reason)
		}
	}
	return rows.Err()
}

// ToldAgain returns the notices that a receiver has taken too often. A notice may be taken once,
// and once more for each interruption: the sender's process ended or its database was away, so that
// it may not have learnt that the notice was taken. taken is how often, by webhook-id.
func ToldAgain(taken map[string]int64, interrupted int64) []Violation {
	var f findings
	for _, id := range slices.Sorted(maps.Keys(taken)) {
		if taken[id] > 1+interrupted {
			f.add(Double, "a notice was told again, and its receiver had taken it", "", "",
				"webhook-id", id, "taken", taken[id], "interrupted", interrupted)
		}
	}
	return f
}
