package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Log tells on the service's log, at level error.
type Log struct{ Logger *slog.Logger }

// Channel is "log".
func (Log) Channel() string { return "log" }

// Tell logs the notice.
func (l Log) Tell(ctx context.Context, id string, body []byte) error {
	var n Notice
	if err := json.Unmarshal(body, &n); err != nil {
		return fmt.Errorf("notice %s: %w", id, err)
	}
	l.Logger.ErrorContext(ctx, "an operator has to decide: GET /v1/parked, or payment-service parked list", "notice", id, "parked_id", n.Data.ID,
		"order_id", n.Data.OrderID, "payment_no", n.Data.PaymentNo, "seq", n.Data.Seq, "attempts", n.Data.Attempts, "reason", n.Data.Reason)
	return nil
}
