package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"settlement/order-service/internal/customer"
	"settlement/order-service/internal/order"
)

// Order reads one order, or returns order.ErrNotFound.
func (s *Store) Order(ctx context.Context, id string) (order.Order, error) {
	var row orderRow
	err := s.pool.Read(ctx).Where("id = ?", id).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return order.Order{}, fmt.Errorf("%w: %s", order.ErrNotFound, id)
	}
	if err != nil {
		return order.Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	return row.order(), nil
}

// Filter chooses a page of orders. Empty fields choose all.
type Filter struct {
	CustomerID string
	Status     order.Status
	Cursor     string // the id that the page before ended with
	Limit      int    // at least 1
}

// Orders reads a page, newest first. next is the cursor of the next page, empty at the end.
func (s *Store) Orders(ctx context.Context, f Filter) (page []order.Order, next string, err error) {
	// Ids are UUIDv7: their order is that of creation.
	query := s.pool.Read(ctx).Order("id DESC").Limit(f.Limit + 1)
	if f.CustomerID != "" {
		query = query.Where("customer_id = ?", f.CustomerID)
	}
	if f.Status != "" {
		query = query.Where("status = ?", f.Status)
	}
	if f.Cursor != "" {
		query = query.Where("id < ?", f.Cursor)
	}

	var rows []orderRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, "", fmt.Errorf("list orders: %w", err)
	}

	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		next = rows[f.Limit-1].ID
	}
	for _, row := range rows {
		page = append(page, row.order())
	}
	return page, next, nil
}

// Customer reads one customer, or returns customer.ErrNotFound.
func (s *Store) Customer(ctx context.Context, id string) (customer.Customer, error) {
	var row customerRow
	err := s.pool.Read(ctx).Where("id = ?", id).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return customer.Customer{}, fmt.Errorf("%w: %s", customer.ErrNotFound, id)
	}
	if err != nil {
		return customer.Customer{}, fmt.Errorf("read customer %s: %w", id, err)
	}
	return row.customer(), nil
}
