package parking

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// Filter chooses a page of messages. Empty fields choose all.
type Filter struct {
	State       State
	OrderingKey string // of one order or customer
	Cursor      string // next of the page before
	Limit       int    // at least 1
}

const columnsWithoutPayload = "id, state, cause, topic, broker, queue_id, queue_offset, message_id, payment_no, order_id, seq," +
	" properties, reason, attempts, resolution, created_at, updated_at"

// List returns a page, newest first, and the cursor of the next one, which is empty at the end.
// Payloads are cut to their first 16 KiB: a page of whole ones can be hundreds of megabytes.
func (l *Lot) List(ctx context.Context, f Filter) (page []Record, next string, err error) {
	query := l.pool.Read(ctx).
		Select(columnsWithoutPayload+", SUBSTRING(payload, 1, ?) AS payload, LENGTH(payload) AS payload_size",
			payloadShownBytes).
		Order("id DESC").Limit(f.Limit + 1)
	if f.State != "" {
		query = query.Where("state = ?", f.State)
	}
	if f.OrderingKey != "" {
		query = query.Where("order_id = ?", f.OrderingKey)
	}
	if f.Cursor != "" {
		query = query.Where("id < ?", f.Cursor)
	}
	var rows []row
	if err := query.Find(&rows).Error; err != nil {
		return nil, "", fmt.Errorf("list parked messages: %w", err)
	}

	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		next = rows[f.Limit-1].ID
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
