package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"settlement/order-service/internal/order"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/money"
	"settlement/shared/outbox"
	"settlement/shared/settlement"
)

// Codes of the refusals that are remembered under the idempotency key.
const (
	CodeNotSettleable = "order_not_settleable"
	CodeNotRefundable = "order_not_refundable"
	CodeRefundAmount  = "refund_amount_refused"
)

// Settle accepts the settling of an order: its status, sequence, payment number and the
// outbox row are one transaction. It returns order.ErrNotFound, or an
// *idempotency.Refusal with CodeNotSettleable.
func (s *Store) Settle(
	ctx context.Context, req idempotency.Request, orderID, traceparent string,
) (order.Accepted, error) {
	return s.instruct(ctx, req, CodeNotSettleable, orderID, traceparent, order.Order.Settle)
}

// Refund accepts the refund of amount, or of all that is left of an order when amount is nil. It
// works like Settle; its refusals have CodeNotRefundable or CodeRefundAmount.
func (s *Store) Refund(
	ctx context.Context, req idempotency.Request, orderID, traceparent string, amount *money.Money,
) (order.Accepted, error) {
	return s.instruct(ctx, req, CodeNotRefundable, orderID, traceparent,
		func(o order.Order, paymentNo string, now time.Time) (order.Order, settlement.Instruction, error) {
			return o.Refund(amount, paymentNo, now)
		})
}

func (s *Store) instruct(
	ctx context.Context, req idempotency.Request, refusal, orderID, traceparent string,
	ask func(o order.Order, paymentNo string, now time.Time) (order.Order, settlement.Instruction, error),
) (order.Accepted, error) {
	now := s.now()
	accepted, err := idempotency.Run(ctx, s.pool, req, now, func(tx dbtx.Tx) (order.Accepted, error) {
		o, err := lockOrder(tx, orderID)
		if err != nil {
			return order.Accepted{}, err
		}

		after, message, err := ask(o, newID(), now)
		var notAllowed *order.NotAllowedError
		if errors.As(err, &notAllowed) {
			return order.Accepted{}, &idempotency.Refusal{Code: refusal, Detail: err.Error()}
		}
		var amount *order.RefundAmountError
		if errors.As(err, &amount) {
			return order.Accepted{}, &idempotency.Refusal{Code: CodeRefundAmount, Detail: err.Error()}
		}
		if err != nil {
			return order.Accepted{}, err
		}

		if err := updateOrder(tx, o, after); err != nil {
			return order.Accepted{}, err
		}
		if err := s.addInstruction(tx, now, message, traceparent); err != nil {
			return order.Accepted{}, err
		}
		if err := expectAnswer(tx, message, traceparent); err != nil {
			return order.Accepted{}, err
		}

		return order.Accepted{
			OrderID: after.ID, PaymentNo: after.PaymentNo, Seq: after.Seq, Status: after.Status,
		}, nil
	})
	if err == nil {
		s.wake()
	}
	return accepted, err
}

func lockOrder(tx dbtx.Tx, id string) (order.Order, error) {
	var row orderRow
	err := tx.DB().Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("id = ?", id).
		Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return order.Order{}, fmt.Errorf("%w: %s", order.ErrNotFound, id)
	}
	if err != nil {
		return order.Order{}, fmt.Errorf("lock order %s: %w", id, err)
	}
	return row.order(), nil
}

func (s *Store) addInstruction(
	tx dbtx.Tx, now time.Time, in settlement.Instruction, traceparent string,
) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode instruction %s: %w", in.PaymentNo, err)
	}
	return outbox.Add(tx, s.topics, now, outbox.Message{
		Topic: settlement.TopicSettlement, ShardingKey: in.OrderID, Key: in.PaymentNo, Tag: string(in.Type),
		Traceparent: traceparent, Body: body,
	})
}
