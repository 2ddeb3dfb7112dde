package store

import (
	"context"
	"errors"
	"fmt"

	"settlement/order-service/internal/customer"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
)

// CodeNoMorePoints is the code of a refusal that is remembered under the idempotency key.
const CodeNoMorePoints = "points_sequence_full"

// Misconduct takes points from a customer. It returns customer.ErrNotFound.
func (s *Store) Misconduct(
	ctx context.Context, req idempotency.Request, id, traceparent string,
) (customer.Accepted, error) {
	now := s.now()
	taken, err := idempotency.Run(ctx, s.pool, req, now, func(tx dbtx.Tx) (customer.Accepted, error) {
		customers, err := lockCustomers(tx, []string{id})
		if err != nil {
			return customer.Accepted{}, err
		}
		c, known := customers[id]
		if !known {
			return customer.Accepted{}, fmt.Errorf("%w: %s", customer.ErrNotFound, id)
		}

		after, change, err := c.Misconduct(newID(), now)
		if errors.Is(err, customer.ErrFull) {
			return customer.Accepted{}, &idempotency.Refusal{
				Code: CodeNoMorePoints, Detail: fmt.Sprintf("%s: %s", err, id),
			}
		}
		if err != nil {
			return customer.Accepted{}, err
		}

		if err := updateCustomer(tx, c, after); err != nil {
			return customer.Accepted{}, err
		}
		accepted := customer.Accepted{CustomerID: id, PointsNo: change.PointsNo, Seq: change.Seq}
		return accepted, s.addPoints(tx, now, change, traceparent)
	})
	if err == nil {
		s.wake()
	}
	return taken, err
}
