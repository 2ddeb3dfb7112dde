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

	what := "an operator has to decide: see the command parked list"
	switch n.Type {
	case EventWaiting:
		what = "a message waits for one that comes before it and has not come: see the command parked list --state waiting"
	case EventStopped:
		what = "one message after another fails: nothing is parked, the queues pause until the cause is gone"
	}
	l.Logger.ErrorContext(ctx, what, "notice", id, "type", n.Type,
		"cause", n.Data.Cause, "count", n.Data.Count,
		"parked_id", n.Data.ID, "topic", n.Data.Topic, "order_id", n.Data.OrderID, "payment_no",
		n.Data.PaymentNo,
		"seq", n.Data.Seq, "attempts", n.Data.Attempts, "reason", n.Data.Reason)
	return nil
}
