package store

import (
	"errors"
	"maps"
	"slices"
	"time"

	"settlement/order-service/internal/customer"
	"settlement/shared/dbtx"
)

// turn is what happened to an order of a customer: it was paid, or refunded.
type turn struct {
	customerID string
	refunded   bool
}

// reward adds points for paid orders and takes them back for refunded ones, in tx and in the order
// of turns. Only registered customers collect points. It locks customers, which come after orders
// in every writer.
func (s *Store) reward(tx dbtx.Tx, now time.Time, turns []turn) (changes int, err error) {
	if len(turns) == 0 {
		return 0, nil
	}

	ids := make([]string, 0, len(turns))
	for _, t := range turns {
		ids = append(ids, t.customerID)
	}
	before, err := lockCustomers(tx, ids)
	if err != nil {
		return 0, err
	}

	after := maps.Clone(before)
	for _, t := range turns {
		c, registered := after[t.customerID]
		if !registered {
			continue
		}
		event := customer.Customer.OrderPaid
		if t.refunded {
			event = customer.Customer.OrderRefunded
		}

		c, change, err := event(c, newID(), now)
		if errors.Is(err, customer.ErrFull) {
			continue // a payment does not fail for want of points
		}
		if err != nil {
			return 0, err
		}
		if err := s.addPoints(tx, now, change, ""); err != nil {
			return 0, err
		}
		after[c.ID] = c
		changes++
	}

	for _, id := range slices.Sorted(maps.Keys(after)) {
		if after[id] == before[id] {
			continue
		}
		if err := updateCustomer(tx, before[id], after[id]); err != nil {
			return 0, err
		}
	}
	return changes, nil
}
