package parking

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// List reads a page, newest first, and the cursor of the next one, empty at the end.
// An empty state lists all; limit is at least 1.
func (l *Lot) List(ctx context.Context, state State, cursor string, limit int) (page []Record, next string, err error) {
	query := l.pool.Read(ctx).Order("id DESC").Limit(limit + 1)
	if state != "" {
		query = query.Where("state = ?", state)
	}
	if cursor != "" {
		query = query.Where("id < ?", cursor)
	}
	var rows []row
	if err := query.Find(&rows).Error; err != nil {
		return nil, "", fmt.Errorf("list parked messages: %w", err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].ID
	}
	for _, r := range rows {
		rec, err := r.record()
		if err != nil {
			return nil, "", err
		}
		page = append(page, rec)
	}
	return page, next, nil
}

// Get reads one message. It returns ErrNotFound.
func (l *Lot) Get(ctx context.Context, id string) (Record, error) {
	r, err := read(l.pool.Read(ctx), id)
	if err != nil {
		return Record{}, err
	}
	return r.record()
}

func read(db *gorm.DB, id string) (row, error) {
	var r row
	err := db.Where("id = ?", id).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return row{}, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if err != nil {
		return row{}, fmt.Errorf("read parked message %s: %w", id, err)
	}
	return r, nil
}
