package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// ErrMovedOn says that the offset is not the one that was read from: another auditor runs, or an earlier commit whose
// answer was lost took effect. Begin again with Offset.
var ErrMovedOn = errors.New("somebody else has read on meanwhile")

// findingMaxLength is how much of a finding is kept, in bytes.
const findingMaxLength = 1000

// Tape is the auditor's own copy of the journal, and where it goes on reading, in the payments database. The offset is
// moved in the transaction that keeps what was read up to it: after a crash exactly that is kept, no message twice and
// none passed over, without a table to recognise repeats by.
type Tape struct {
	pool *dbtx.Pool
	now  func() time.Time
}

// NewTape makes a tape.
func NewTape(pool *dbtx.Pool, now func() time.Time) *Tape { return &Tape{pool: pool, now: now} }

// recordRow is audit_records.
type recordRow struct {
	Position    int64 `gorm:"primaryKey;autoIncrement:false"`
	PaymentNo   string
	QueueOffset int64
	Body        []byte
	Hash        string
}

func (recordRow) TableName() string { return "audit_records" }

// findingRow is audit_findings.
type findingRow struct {
	QueueOffset int64 `gorm:"primaryKey;autoIncrement:false"` // 0 is one too
	What        string
	CreatedAt   time.Time
}

func (findingRow) TableName() string { return "audit_findings" }

func (f findingRow) String() string {
	return fmt.Sprintf("journal: the message at offset %d %s", f.QueueOffset, f.What)
}

// Taken is what became of messages.
type Taken struct {
	Records  []recordRow // new ones
	Repeats  int
	Findings []findingRow // messages that are no part of the chain
}

// Offset is where to go on reading.
func (t *Tape) Offset(ctx context.Context) (offset int64, err error) {
	if err := t.pool.Read(ctx).Raw("SELECT next_offset FROM audit_offset WHERE id = 1").Scan(&offset).Error; err != nil {
		return 0, fmt.Errorf("read the auditor's offset: %w", err)
	}
	return offset, nil
}

// Take keeps the messages that were read from offset on, up to next.
func (t *Tape) Take(ctx context.Context, offset, next int64, messages []rocketmq.Delivery) (Taken, error) {
	var taken Taken
	err := t.pool.Run(ctx, func(tx dbtx.Tx) (err error) {
		taken, err = t.takeIn(tx, offset, next, messages)
		return err
	})
	if err != nil {
		return Taken{}, fmt.Errorf("keep %d records from offset %d: %w", len(messages), offset, err)
	}
	return taken, nil
}

// Skip notes that the messages from offset to next-1 cannot be read any more.
func (t *Tape) Skip(ctx context.Context, offset, next int64) error {
	return t.pool.Run(ctx, func(tx dbtx.Tx) error {
		if err := moveOffset(tx, offset, next); err != nil {
			return err
		}
		what := fmt.Sprintf("and those up to offset %d had expired on the broker before they were audited", next-1)
		return tx.DB().Create(&findingRow{QueueOffset: offset, What: what, CreatedAt: t.now().UTC()}).Error
	})
}

func (t *Tape) takeIn(tx dbtx.Tx, offset, next int64, messages []rocketmq.Delivery) (taken Taken, err error) {
	// First, because it makes auditors come one after the other.
	if err := moveOffset(tx, offset, next); err != nil {
		return Taken{}, err
	}
	at, err := endOf(tx.DB())
	if err != nil {
		return Taken{}, err
	}
	known, err := learn(tx, messages)
	if err != nil {
		return Taken{}, err
	}
	note := func(offset int64, what string) {
		what = strings.ToValidUTF8(what[:min(len(what), findingMaxLength)], "?")
		taken.Findings = append(taken.Findings, findingRow{QueueOffset: offset, What: what, CreatedAt: t.now().UTC()})
	}
	for _, m := range messages {
		record, v, what := at.judge(m.Body, known)
		switch v {
		case repeat:
			taken.Repeats++
			continue
		case outside:
			note(m.Offset, what)
			continue
		case usurped:
			note(known.kept[record.Position].QueueOffset, what)
			if err := taken.rewind(tx, record.Position); err != nil {
				return Taken{}, err
			}
		case resumes:
			note(m.Offset, what)
		case follows:
		}
		at = endAt(record.Position, m.Body)
		row := recordRow{Position: at.position, PaymentNo: record.PaymentNo, QueueOffset: m.Offset, Body: m.Body, Hash: at.hash}
		known.kept[at.position] = row
		taken.Records = append(taken.Records, row)
	}
	return taken, taken.insert(tx)
}

// rewind forgets the records from a position on.
func (t *Taken) rewind(tx dbtx.Tx, from int64) error {
	t.Records = slices.DeleteFunc(t.Records, func(r recordRow) bool { return r.Position >= from })
	if err := tx.DB().Where("position >= ?", from).Delete(&recordRow{}).Error; err != nil {
		return fmt.Errorf("forget the records from %d on: %w", from, err)
	}
	return nil
}

func (t *Taken) insert(tx dbtx.Tx) error {
	if len(t.Records) > 0 {
		if err := tx.DB().Create(&t.Records).Error; err != nil {
			return fmt.Errorf("insert %d records: %w", len(t.Records), err)
		}
	}
	if len(t.Findings) > 0 {
		// One message can be told of twice: first of the gap before it, later that nobody decided it.
		if err := tx.DB().Clauses(clause.OnConflict{UpdateAll: true}).Create(&t.Findings).Error; err != nil {
			return fmt.Errorf("insert %d findings: %w", len(t.Findings), err)
		}
	}
	return nil
}

func moveOffset(tx dbtx.Tx, from, to int64) error {
	res := tx.DB().Exec("UPDATE audit_offset SET next_offset = ? WHERE id = 1 AND next_offset = ?", to, from)
	if res.Error != nil {
		return fmt.Errorf("move the auditor's offset to %d: %w", to, res.Error)
	}
	if res.RowsAffected != 1 {
		return fmt.Errorf("the auditor's offset is not %d: %w", from, ErrMovedOn)
	}
	return nil
}

// endOf is the end of what was recorded.
func endOf(db *gorm.DB) (end, error) {
	var rows []recordRow
	if err := db.Select("position", "hash").Order("position DESC").Limit(1).Find(&rows).Error; err != nil {
		return end{}, fmt.Errorf("read the last record: %w", err)
	}
	if len(rows) == 0 {
		return origin, nil
	}
	return end{rows[0].Position, rows[0].Hash}, nil
}

// knowledge is what messages are judged by.
type knowledge struct {
	kept    map[int64]recordRow // without bodies: at the positions that messages claim, and right before them
	decided map[string]bool     // payment numbers that the books have, of messages and of what is kept
}

func (k knowledge) hashAt(position int64) string {
	if position == 0 {
		return settlement.JournalOrigin
	}
	return k.kept[position].Hash
}

func learn(tx dbtx.Tx, messages []rocketmq.Delivery) (knowledge, error) {
	k := knowledge{kept: map[int64]recordRow{}, decided: map[string]bool{}}
	var positions []int64
	var numbers, found []string
	for _, m := range messages {
		if record, err := settlement.ParseJournalRecord(m.Body); err == nil {
			positions = append(positions, record.Position, record.Position-1)
			numbers = append(numbers, record.PaymentNo)
		}
	}
	if len(positions) == 0 {
		return k, nil
	}
	var rows []recordRow
	err := tx.DB().Select("position", "payment_no", "queue_offset", "hash").Where("position IN ?", positions).Find(&rows).Error
	if err != nil {
		return k, fmt.Errorf("read earlier records: %w", err)
	}
	for _, r := range rows {
		k.kept[r.Position] = r
		numbers = append(numbers, r.PaymentNo)
	}
	if err := tx.DB().Raw("SELECT payment_no FROM payment_numbers WHERE payment_no IN ?", numbers).Scan(&found).Error; err != nil {
		return k, fmt.Errorf("look for payment numbers in the books: %w", err)
	}
	for _, no := range found {
		k.decided[no] = true
	}
	return k, nil
}
