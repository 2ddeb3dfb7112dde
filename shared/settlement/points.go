package settlement

import (
	"fmt"
	"time"
)

// PointsType says how a change changes a customer's points. Set and add do not commute: in another
// order they come to another number.
type PointsType string

// The changes.
const (
	PointsSet PointsType = "set"
	PointsAdd PointsType = "add"
)

// PointsMax bounds the points of one change, either way.
const PointsMax = 1_000_000

// PointsChange is the body of a message on TopicPoints.
type PointsChange struct {
	Version    int        `json:"version"`
	Type       PointsType `json:"type"`
	PointsNo   string     `json:"points_no"`   // UUID; the business key
	CustomerID string     `json:"customer_id"` // UUID; the ordering key
	Seq        int64      `json:"seq"`         // 1, 2, 3… per customer
	Points     int64      `json:"points"`      // to set, or to add; below zero to take
	// registered, order_paid, order_refunded or misconduct; at most ReasonMaxLength bytes
	Reason     string    `json:"reason"`
	OccurredAt time.Time `json:"occurred_at"`
}

// ParsePointsChange decodes and validates body; every error wraps ErrPoison.
func ParsePointsChange(body []byte) (PointsChange, error) {
	var c PointsChange
	if err := decode(body, &c); err != nil {
		return PointsChange{}, err
	}
	if err := c.validate(); err != nil {
		return PointsChange{}, fmt.Errorf("%w: %w", ErrPoison, err)
	}
	return c, nil
}

func (c PointsChange) validate() error {
	if err := validateVersion(c.Version); err != nil {
		return err
	}
	if c.Type != PointsSet && c.Type != PointsAdd {
		return fmt.Errorf("type is %q, must be set or add", c.Type)
	}
	if err := validateIDs(id{"points_no", c.PointsNo}, id{"customer_id", c.CustomerID}); err != nil {
		return err
	}

	if c.Points < -PointsMax || c.Points > PointsMax {
		return fmt.Errorf("points is %d, must be %d to %d", c.Points, -PointsMax, PointsMax)
	}
	if len(c.Reason) > ReasonMaxLength {
		return fmt.Errorf("reason has %d bytes, at most %d are read", len(c.Reason), ReasonMaxLength)
	}
	if err := validateTime("occurred_at", c.OccurredAt); err != nil {
		return err
	}
	return validateSeq(c.Seq)
}
