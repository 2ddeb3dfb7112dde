package idempotency

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"settlement/shared/dbtx"
)

// Refusal is an answer that depends on the state that a request met. It is remembered under the key
// like a success, because the state may be another when the client asks again.
type Refusal struct {
	Code   string // stable, for programs
	Detail string // for people
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Detail }

// row is a row of idempotency_keys.
type row struct {
	IdemKey       string `gorm:"primaryKey"`
	RequestHash   string
	Result        string
	RefusalCode   string
	RefusalDetail string
	CreatedAt     time.Time
}

func (row) TableName() string { return "idempotency_keys" }

const beforeChange = "before_change"

// Run runs change once per key and returns its result, which must survive JSON. A
// repeat of the request returns the first result, or the first *Refusal, and runs
// nothing. Whatever change wrote before it refused is rolled back. Any other error of
// change rolls everything back and leaves the key free. It returns ErrKeyReused when
// the key came with another request before, and ErrInFlight while the first request's
// transaction is open.
func Run[T any](
	ctx context.Context, pool *dbtx.Pool, req Request, now time.Time, change func(tx dbtx.Tx) (T, error),
) (T, error) {
	var result T
	var refusal *Refusal
	err := pool.Run(ctx, func(tx dbtx.Tx) error {
		result, refusal = *new(T), nil
		first, err := claim(tx, req, now)
		if err != nil {
			return err
		}
		if first != nil {
			refusal, err = first.answer(req, &result)
			return err
		}

		if err := tx.DB().SavePoint(beforeChange).Error; err != nil {
			return err
		}
		result, err = change(tx)
		if errors.As(err, &refusal) {
			if err := tx.DB().RollbackTo(beforeChange).Error; err != nil {
				return err
			}
		} else if err != nil {
			return err
		}

		return record(tx, req, result, refusal)
	})
	if err == nil && refusal != nil {
		err = refusal
	}
	if err != nil {
		return *new(T), err
	}
	return result, nil
}

// claim inserts the key, or returns the row of the request that came first.
func claim(tx dbtx.Tx, req Request, now time.Time) (*row, error) {
	// The insert comes before the change: a second request with the same key waits for it.
	err := tx.DB().Create(&row{IdemKey: req.key, RequestHash: req.hash, CreatedAt: now}).Error
	switch {
	case err == nil:
		return nil, nil
	case dbtx.IsLockWait(err):
		return nil, ErrInFlight // not wrapped: waiting for it again is the client's choice
	case !dbtx.IsDuplicateKey(err):
		return nil, fmt.Errorf("claim idempotency key: %w", err)
	}

	var first row
	if err := tx.DB().Where("idem_key = ?", req.key).Take(&first).Error; err != nil {
		return nil, fmt.Errorf("read idempotency key: %w", err)
	}
	return &first, nil
}

func (r *row) answer(req Request, result any) (*Refusal, error) {
	if r.RequestHash != req.hash {
		return nil, ErrKeyReused
	}
	if r.RefusalCode != "" {
		return &Refusal{Code: r.RefusalCode, Detail: r.RefusalDetail}, nil
	}
	if err := json.Unmarshal([]byte(r.Result), result); err != nil {
		return nil, fmt.Errorf("read the first answer: %w", err)
	}
	return nil, nil
}

func record(tx dbtx.Tx, req Request, result any, refusal *Refusal) error {
	update := row{}
	if refusal != nil {
		update.RefusalCode, update.RefusalDetail = refusal.Code, refusal.Detail
	} else {
		encoded, err := json.Marshal(result)
		if err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		update.Result = string(encoded)
	}

	err := tx.DB().Model(&row{}).Where("idem_key = ?", req.key).
		Select("result", "refusal_code", "refusal_detail").Updates(update).Error
	if err != nil {
		return fmt.Errorf("record the answer: %w", err)
	}
	return nil
}
