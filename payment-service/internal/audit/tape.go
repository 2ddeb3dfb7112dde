package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"

	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// ErrMovedOn says that the offset is not the one that was read from: another auditor runs, or an
// earlier commit whose answer was lost took effect. Begin again with Offset.
var ErrMovedOn = errors.New("somebody else has read on meanwhile")

// findingMaxLength is how much of a finding is kept, in bytes.
const findingMaxLength = 1000

// Tape is the auditor's own copy of the journal, and the offset at which it goes on reading, in the
// payments database. One transaction keeps what was read and moves the offset behind it. So after a
// crash no message is kept twice and none is passed over, without a table to recognise repeats by.
type Tape struct {
	pool *dbtx.Pool
	now  func() time.Time
}

// NewTape makes a tape.
func NewTape(pool *dbtx.Pool, now func() time.Time) *Tape { return &Tape{pool: pool, now: now} }

// recordRow is a kept record, a row of table audit_records.
type recordRow struct {
	Position    int64 `gorm:"primaryKey;autoIncrement:false"`
	PaymentNo   string
	QueueOffset int64
	Body        []byte
	Hash        string
}

func (recordRow) TableName() string { return "audit_records" }

// findingRow is something wrong with the topic, a row of table audit_findings.
type findingRow struct {
	QueueOffset int64 `gorm:"primaryKey;autoIncrement:false"` // 0 is an offset too
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

// Offset returns the offset at which to go on reading.
func (t *Tape) Offset(ctx context.Context) (offset int64, err error) {
	if err := t.pool.Read(ctx).Raw("SELECT next_offset FROM audit_offset WHERE id = 1").Scan(&offset).
		Error; err != nil {
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
		finding := t.newFinding(offset,
			fmt.Sprintf("and those up to offset %d had expired on the broker before they were audited",
				next-1))
		return tx.DB().Create(&finding).Error
	})
}

func (t *Tape) takeIn(tx dbtx.Tx, offset, next int64, messages []rocketmq.Delivery) (taken Taken, err error) {
	// The offset moves first: its row lets auditors in one after the other.
	if err := moveOffset(tx, offset, next); err != nil {
		return Taken{}, err
	}
	at, err := endOf(tx.DB())
	if err != nil {
		return Taken{}, err
	}
	kept, err := hashes(tx, messages)
	if err != nil {
		return Taken{}, err
	}

	for _, m := range messages {
		record, v, what := at.judge(m.Body, kept)
		switch v {
		case follows:
			at = endAt(record.Position, m.Body)
			kept[at.position] = at.hash
			taken.Records = append(taken.Records, newRecordRow(record, m))
		case repeat:
			taken.Repeats++
		case outside:
			taken.Findings = append(taken.Findings, t.newFinding(m.Offset, what))
		}
	}

	if len(taken.Records) > 0 {
		if err := tx.DB().Create(&taken.Records).Error; err != nil {
			return Taken{}, fmt.Errorf("insert %d records: %w", len(taken.Records), err)
		}
	}
	if len(taken.Findings) > 0 {
		if err := tx.DB().Create(&taken.Findings).Error; err != nil {
			return Taken{}, fmt.Errorf("insert %d findings: %w", len(taken.Findings), err)
		}
	}
	return taken, nil
}

// ResumeAt takes the message for the record that it says it is, whatever the chain says, because an
// operator has decided so: behind a gap, or instead of a stranger's record. The records that were
// kept from its place on and the findings from its offset on are forgotten, and reading goes on
// behind it. The decision is a finding until its row is deleted. Who decided, and why, stays in
// audit_decisions.
func (t *Tape) ResumeAt(ctx context.Context, m rocketmq.Delivery, by Decision) error {
	record, err := settlement.ParseJournalRecord(m.Body)
	if err != nil {
		return fmt.Errorf("the message at offset %d: %w", m.Offset, err)
	}

	err = t.pool.Run(ctx, func(tx dbtx.Tx) error {
		row := newRecordRow(record, m)
		finding := t.newFinding(m.Offset,
			fmt.Sprintf("was taken for record %d because operator %s said so: %s", record.Position,
				by.Operator, by.Reason))

		return firstError(
			func() error {
				return tx.DB().Exec("UPDATE audit_offset SET next_offset = ? WHERE id = 1", m.Offset+1).Error
			},
			func() error {
				return tx.DB().Where("position >= ?", record.Position).Delete(&recordRow{}).Error
			},
			func() error { return tx.DB().Where("queue_offset >= ?", m.Offset).Delete(&findingRow{}).Error },
			func() error { return tx.DB().Create(&row).Error },
			func() error { return tx.DB().Create(&finding).Error },
			func() error {
				return tx.DB().Exec("INSERT INTO audit_decisions (queue_offset, position, operator, reason,"+
					" created_at) VALUES (?, ?, ?, ?, ?)",
					m.Offset, record.Position, by.Operator, by.Reason, finding.CreatedAt).Error
			})
	})
	if err != nil {
		return fmt.Errorf("resume at offset %d: %w", m.Offset, err)
	}
	return nil
}

// Decision says who makes an auditor go on behind a break, and why.
type Decision struct {
	Operator, Reason string
}

// Limits of a decision, in characters.
const (
	operatorMaxLength = 128
	reasonMaxLength   = 512
)

// Check says what is too long.
func (d Decision) Check() error {
	if n := utf8.RuneCountInString(d.Operator); n > operatorMaxLength {
		return fmt.Errorf("--who has %d characters, at most %d are kept", n, operatorMaxLength)
	}
	if n := utf8.RuneCountInString(d.Reason); n > reasonMaxLength {
		return fmt.Errorf("--why has %d characters, at most %d are kept", n, reasonMaxLength)
	}
	return nil
}

func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func newRecordRow(record settlement.JournalRecord, m rocketmq.Delivery) recordRow {
	return recordRow{
		Position: record.Position, PaymentNo: record.PaymentNo, QueueOffset: m.Offset, Body: m.Body,
		Hash: settlement.JournalHash(m.Body),
	}
}

func (t *Tape) newFinding(offset int64, what string) findingRow {
	what = strings.ToValidUTF8(what[:min(len(what), findingMaxLength)], "?")
	return findingRow{QueueOffset: offset, What: what, CreatedAt: t.now().UTC()}
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

// endOf returns the end of the chain that is kept.
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

// hashes returns the kept hashes at the positions that messages claim.
func hashes(tx dbtx.Tx, messages []rocketmq.Delivery) (map[int64]string, error) {
	var positions []int64
	for _, m := range messages {
		if record, err := settlement.ParseJournalRecord(m.Body); err == nil {
			positions = append(positions, record.Position)
		}
	}
	kept := map[int64]string{}
	if len(positions) == 0 {
		return kept, nil
	}

	var rows []recordRow
	if err := tx.DB().Select("position", "hash").Where("position IN ?", positions).Find(&rows).
		Error; err != nil {
		return nil, fmt.Errorf("read earlier records: %w", err)
	}
	for _, r := range rows {
		kept[r.Position] = r.Hash
	}
	return kept, nil
}
