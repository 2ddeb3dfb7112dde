package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"settlement/shared/dbtx"
	"settlement/shared/outbox"
	"settlement/shared/settlement"
	"settlement/shared/wake"
)

const (
	// batchRows is how many records one transaction appends at most.
	batchRows = 500
	// unsentMax is how many records may wait in the outbox. When the relay cannot send to the
	// topic, the other decisions wait in journal_pending: an audit reads every record that is in
	// the outbox.
	unsentMax = 2000
	// pollInterval finds the decisions of other instances and of the command line, whose commits do
	// not wake this writer.
	pollInterval = 500 * time.Millisecond
	// pauseMin and pauseMax bound the growing pause after a failure.
	pauseMin = 100 * time.Millisecond
	pauseMax = 3 * time.Second
	// endTimeout bounds how long an ending writer goes on appending the decisions that are left.
	endTimeout = 5 * time.Second
)

// Writer appends decisions to the journal and adds the records to the outbox. Several instances may
// run; the lock on the head lets one of them write at a time.
type Writer struct {
	pool    *dbtx.Pool
	topics  outbox.Topics
	written func() // called after every commit
	now     func() time.Time
	bell    wake.Bell
	log     *slog.Logger
}

// NewWriter makes a writer. topics is the relay's; written is called after each commit that added
// to the outbox.
func NewWriter(
	pool *dbtx.Pool, topics outbox.Topics, written func(), now func() time.Time, log *slog.Logger,
) *Writer {
	return &Writer{pool: pool, topics: topics, written: written, now: now, bell: wake.NewBell(), log: log}
}

// Wake makes the writer look at once. Call it after a commit that added decisions; it never blocks.
func (w *Writer) Wake() { w.bell.Ring() }

// Run writes until ctx is done, and then the decisions that are left at that moment.
func (w *Writer) Run(ctx context.Context) {
	pause := pauseMin
	for ctx.Err() == nil {
		n, err := w.Write(context.WithoutCancel(ctx))
		switch {
		case err != nil:
			w.log.Error("journal: not written, trying again", "error", err, "pause", pause.String())
			wake.Pause(ctx, pause)
			pause = min(2*pause, pauseMax)
		case n == 0:
			pause = pauseMin
			w.bell.Wait(ctx, pollInterval)
		}
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	for {
		n, err := w.Write(ctx)
		if err != nil {
			w.log.Warn("journal: last records not written, the next instance writes them", "error", err)
		}
		if n == 0 {
			return
		}
	}
}

// Write appends the oldest decisions, at most batchRows, in one transaction, and returns how many.
func (w *Writer) Write(ctx context.Context) (n int, err error) {
	err = w.pool.Run(ctx, func(tx dbtx.Tx) (err error) {
		n, err = w.writeIn(tx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("write the journal: %w", err)
	}
	if n > 0 {
		w.written()
	}
	return n, nil
}

// writeIn takes the rows by id. When one decision was committed before another began, its id is
// smaller, and it is visible whenever the other one is. The decisions of one order are such
// decisions.
func (w *Writer) writeIn(tx dbtx.Tx) (int, error) {
	before, mine, err := lockHead(tx)
	if err != nil || !mine {
		return 0, err
	}

	var rows []pendingRow
	if err := tx.DB().Order("id").Limit(batchRows).Find(&rows).Error; err != nil {
		return 0, fmt.Errorf("read what is pending: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}

	var unsent int64
	err = tx.DB().Raw("SELECT COUNT(*) FROM (SELECT 1 FROM outbox WHERE topic = ? LIMIT ?) AS unsent",
		settlement.TopicJournal, unsentMax+1).Scan(&unsent).Error
	if err != nil {
		return 0, fmt.Errorf("count records in the outbox: %w", err)
	}
	if unsent > unsentMax {
		return 0, nil
	}

	head := before
	ids := make([]uint64, 0, len(rows))
	messages := make([]outbox.Message, 0, len(rows))
	for _, row := range rows {
		var record settlement.JournalRecord
		if err := json.Unmarshal(row.Record, &record); err != nil {
			return 0, fmt.Errorf("row %d of journal_pending: %w", row.ID, err)
		}
		body, err := head.append(record)
		if err != nil {
			return 0, err
		}
		ids = append(ids, row.ID)
		messages = append(messages, outbox.Message{
			Topic: settlement.TopicJournal, ShardingKey: settlement.JournalShardingKey, Key: row.PaymentNo,
			Tag:         string(record.Outcome),
			Traceparent: row.Traceparent, Body: body,
		})
	}

	// Because the head is locked, ids in the outbox ascend with the positions, and the relay sends
	// the records of one sharding key by id.
	if err := outbox.Add(tx, w.topics, w.now().UTC(), messages...); err != nil {
		return 0, err
	}
	if err := moveHead(tx, before, head); err != nil {
		return 0, err
	}
	return len(rows), dbtx.DeleteByID(tx, "journal_pending", ids)
}
