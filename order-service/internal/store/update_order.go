package store

import (
	"fmt"

	"settlement/order-service/internal/order"
	"settlement/shared/dbtx"
)

// updateOrder writes the order as it is after the change, provided that the row still has the
// status and sequence that the change was decided on.
func updateOrder(tx dbtx.Tx, before, after order.Order) error {
	refunded := after.Refunded.Minor
	if after.Status == order.Refunded {
		// It is the whole amount, and an older instance that settles the order anew does not know
		// the column.
		refunded = 0
	}

	res := tx.DB().Model(&orderRow{}).
		Where("id = ? AND status = ? AND seq = ?", before.ID, before.Status, before.Seq).
		Updates(map[string]any{
			"status": after.Status, "payment_no": after.PaymentNo, "reason": after.Reason, "seq": after.Seq,
			"asked_minor": after.Asked.Minor, "cancelled_no": nullable(after.CancelledNo),
			"refunded_minor": refunded, "updated_at": after.UpdatedAt,
		})
	if res.Error != nil {
		return fmt.Errorf("update order %s: %w", before.ID, res.Error)
	}
	if res.RowsAffected != 1 {
		return fmt.Errorf("order %s changed under its lock: %d rows are still %s with seq %d", before.ID,
			res.RowsAffected, before.Status, before.Seq)
	}
	return nil
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
