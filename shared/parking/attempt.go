package parking

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"settlement/shared/dbtx"
	"settlement/shared/notify"
	"settlement/shared/rocketmq"
)

// TriesMax is how often a message is executed before it is parked, when it fails and others
// succeed.
const TriesMax = 3

// Failure is a message that failed for a reason that is not known to pass.
type Failure struct {
	Delivery   rocketmq.Delivery
	Subject    Subject
	Executions int   // since they were counted last
	Alone      bool  // others succeeded where it failed: it may be parked
	Err        error // of the last execution
}

// attempt is a row of delivery_attempts. PaymentNo and OrderID are the subject's number and
// ordering key, whatever the topic.
type attempt struct {
	PaymentNo string `gorm:"primaryKey"`
	OrderID   string
	Attempts  int
	LastError string
	UpdatedAt time.Time
}

func (attempt) TableName() string { return "delivery_attempts" }

// Failed counts the executions of a message. In the same transaction it parks the message when
// there were TriesMax executions and the message fails alone. parked says that the message is
// parked, now or before, and may be acknowledged; otherwise it has to be tried again. Executions
// are counted under the message's number, so neither a restart nor a copy at another offset begins
// anew.
func (l *Lot) Failed(ctx context.Context, f Failure) (parked bool, tries int, err error) {
	now := l.keeper.Now()
	err = l.pool.Run(ctx, func(tx dbtx.Tx) error {
		parked = false
		if tries, err = count(tx, f, now); err != nil || tries < TriesMax || !f.Alone {
			return err
		}
		parked = true
		return l.keeper.parkFailed(tx, f, tries)
	})
	if err != nil {
		return false, 0, fmt.Errorf("count a failed try of %s: %w", f.Subject.Number, err)
	}
	if parked {
		l.keeper.Wake()
	}
	return parked, tries, nil
}

// Tried returns the messages that failed last, at most limit: their executions until now, by
// number.
func (l *Lot) Tried(ctx context.Context, limit int) (map[string]int, error) {
	var rows []attempt
	err := l.pool.Read(ctx).Select("payment_no", "attempts").Order("updated_at DESC").Limit(limit).
		Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read failed tries: %w", err)
	}
	tried := make(map[string]int, len(rows))
	for _, r := range rows {
		tried[r.PaymentNo] = r.Attempts
	}
	return tried, nil
}

// parkFailed parks a message that failed every time: as a new row, or in the row under which it
// waited. The caller holds the message's row of delivery_attempts, so no other consumer parks it
// meanwhile.
func (k *Keeper) parkFailed(tx dbtx.Tx, f Failure, tries int) error {
	r, err := newRow(f.Delivery, f.Subject, Parked, CauseFailed, failedReason(f.Err), k.Now())
	if err != nil {
		return err
	}
	r.Attempts = tries

	var kept []row
	err = tx.DB().Select("id", "state").
		Where("order_id = ? AND state IN ? AND payment_no = ? AND topic = ? AND cause <> ?",
			f.Subject.OrderingKey, []State{Parked, Waiting}, f.Subject.Number, f.Delivery.Topic,
			CauseConflict).
		Order("id").Find(&kept).Error
	if err != nil {
		return fmt.Errorf("look for a parked message: %w", err)
	}
	switch {
	case len(kept) == 0:
		if err := insert(tx, r, f.Delivery.Body); err != nil {
			return err
		}
	case kept[0].State == Parked: // its acknowledgement was lost, or this is a copy of its message
		return nil
	default:
		r.ID = kept[0].ID
		if err := k.parkWaiting(tx, r); err != nil {
			return err
		}
	}

	return k.tell(tx, r, notify.EventParked, PublicReason(f.Err))
}

// parkWaiting parks a message that has waited.
func (k *Keeper) parkWaiting(tx dbtx.Tx, r row) error {
	res := tx.DB().Model(&row{}).Where("id = ? AND state = ?", r.ID, Waiting).
		Updates(map[string]any{
			"state": Parked, "cause": r.Cause, "reason": r.Reason, "attempts": r.Attempts,
			"updated_at": k.Now(),
		})
	if res.Error != nil {
		return fmt.Errorf("park waiting message %s: %w", r.ID, res.Error)
	}
	if res.RowsAffected != 1 {
		return dbtx.Again("parked_meanwhile", fmt.Errorf("message %s waits no more", r.ID))
	}
	return nil
}

// count adds the executions to those of the message and returns the sum.
func count(tx dbtx.Tx, f Failure, now time.Time) (int, error) {
	text := Cut(f.Err.Error(), ReasonMaxLength)
	err := tx.DB().Exec("INSERT INTO delivery_attempts (payment_no, order_id, attempts, last_error,"+
		" updated_at) VALUES (?, ?, ?, ?, ?)"+
		" ON DUPLICATE KEY UPDATE attempts = attempts + VALUES(attempts), last_error = VALUES(last_error),"+
		" updated_at = VALUES(updated_at)",
		f.Subject.Number, f.Subject.OrderingKey, f.Executions, text, now).Error
	if err != nil {
		return 0, err
	}

	var a attempt
	err = tx.DB().Where("payment_no = ?", f.Subject.Number).Take(&a).Error
	return a.Attempts, err
}

// reasonSeparator stands in the reason of a failed message, between the cause and the whole error.
const reasonSeparator = " | "

// failedReason puts the cause first, because a list shows the beginning of a reason.
func failedReason(err error) string {
	whole, cause := err.Error(), root(err)
	if whole == cause {
		return cause
	}
	return cause + reasonSeparator + whole
}

// kindOf returns what messages that failed for one cause have in common: the first line of the
// cause. Of a database's error it is the number only, without the values of one row.
func kindOf(reason string) string {
	cause, _, _ := strings.Cut(reason, reasonSeparator)
	cause, _, _ = strings.Cut(cause, "\n")
	if strings.HasPrefix(cause, "Error ") {
		cause, _, _ = strings.Cut(cause, ":")
	}
	return cause
}

// root is the innermost error's text.
func root(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// PublicReason returns the part of an error that may leave the house: no SQL, no stack, no values
// of a row.
func PublicReason(err error) string {
	var refused *mysql.MySQLError
	if errors.As(err, &refused) {
		return fmt.Sprintf("the database answers error %d", refused.Number)
	}
	return "an error of the service: the command parked show, and the log, have it"
}
