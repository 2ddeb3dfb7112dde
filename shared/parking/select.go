package parking

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// selectionMax is how many messages one selection may hold.
const selectionMax = 100_000

// Selection chooses parked messages, in one way.
type Selection struct {
	IDs      []string
	OrderID  string // all of an order, or of a customer's points
	Matching string // all whose reason has this text in it
	All      bool
}

// Validate returns an error that says what is wrong.
func (s Selection) Validate() error {
	ways := 0
	for _, chosen := range []bool{len(s.IDs) > 0, s.OrderID != "", s.Matching != "", s.All} {
		if chosen {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("choose the messages in one way: by ids, or with --order, --matching or --all")
	}

	for _, id := range s.IDs {
		if _, err := uuid.Parse(id); err != nil {
			return fmt.Errorf("%.80q is not the id of a message: take it from the list", id)
		}
	}
	return nil
}

// Select returns the ids of the chosen messages that are parked now, oldest first. Ids that were
// named are returned as they are.
func (l *Lot) Select(ctx context.Context, s Selection) ([]string, error) {
	if len(s.IDs) > 0 {
		return s.IDs, nil
	}

	query := l.pool.Read(ctx).Model(&row{}).Where("state = ?", Parked)
	if s.OrderID != "" {
		query = query.Where("order_id = ?", s.OrderID)
	}
	if s.Matching != "" {
		// By bytes: the collation would match a with A, and 支 with others.
		query = query.Where("LOCATE(CAST(? AS BINARY), CAST(reason AS BINARY)) > 0", s.Matching)
	}

	var ids []string
	if err := query.Order("id").Limit(selectionMax+1).Pluck("id", &ids).Error; err != nil {
		return nil, fmt.Errorf("select parked messages: %w", err)
	}
	if len(ids) > selectionMax {
		return nil, fmt.Errorf("more than %d messages match: choose fewer of them", selectionMax)
	}
	return ids, nil
}
